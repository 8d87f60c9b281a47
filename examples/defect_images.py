# %% [markdown]
# # Rare small defects in images
#
# The paper's home ground: RetinaNet, whose anchors are background but for one in some hundreds.
# The images are simulated, and a small detector trains for as long as an example may take on one
# core. It is *not* trained to the end: `docs/detector.md` has the longer runs and seven losses
# side by side, made by `examples/detect_defects.py`.

# %%
import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from focaltab import FocalLoss
from focaltab.datasets import make_defects
from focaltab.detection import (
    CocoDataset,
    DetectorTrainer,
    anchor_outcomes,
    detect,
    draw_detections,
    evaluate_detections,
    focal_retinanet,
)

torch.set_num_threads(1)  # sums over threads may differ in the last digit
folder = tempfile.TemporaryDirectory()
for name, n_images, seed in (("train", 100, 0), ("new", 48, 1)):
    make_defects(n_images, size=64, random_state=seed).write_coco(f"{folder.name}/{name}")
    # Scratches, pits and stains become one class: is there a defect, and where?
    file = Path(folder.name, name, "annotations.json")
    kinds = json.loads(file.read_text())
    for annotation in kinds["annotations"]:
        annotation["category_id"] = 1
    file.write_text(json.dumps(kinds | {"categories": [{"id": 1, "name": "defect"}]}))
train, new = CocoDataset(f"{folder.name}/train"), CocoDataset(f"{folder.name}/new")

# %% [markdown]
# ## Train
#
# Small images are scaled up, so that several anchors match each defect, and 64 channels are
# enough.

# %%
model = focal_retinanet(
    len(train.class_names),
    FocalLoss(gamma=2.0, alpha=0.25),
    min_size=128,
    max_size=256,
    anchor_sizes=[16, 32, 64, 128, 256],
    channels=64,
    random_state=0,
)
trainer = DetectorTrainer(
    model, learning_rate=0.001, batch_size=4, max_epochs=6, device="cpu", random_state=0
)
trainer.fit(train)
pd.DataFrame(trainer.history_)[["classification", "bbox_regression"]].round(3)

# %% [markdown]
# ## Judge on new images

# %%
model.score_thresh = 0.001  # average precision needs the doubtful boxes too
found = detect(model, new)
figures = evaluate_detections(found, new)
n_defects = sum(len(new[k][1]["boxes"]) for k in range(len(new)))
print(f"{n_defects} defects in {len(new)} images; AP50 {figures['ap50']:.2f}")

# %% [markdown]
# The best boxes of six images, with the probabilities that the detector states; dashed is the
# truth.

# %% tags=["figure"]
most = np.argsort([-len(new[k][1]["boxes"]) for k in range(len(new))], kind="stable")[:6]
_, axes = plt.subplots(2, 3, figsize=(9, 6.2), layout="constrained")
for ax, k in zip(axes.flat, most, strict=True):
    image, truth = new[int(k)]
    ax.imshow(draw_detections(image, found[k], new.class_names, threshold=0.3, truth=truth))
    ax.axis("off")

# %% [markdown]
# The boxes that are found are mostly pits, and loose: the detector wants more steps.
#
# ## What a score means
#
# Under focal loss the sigmoid of the margin, which detectors usually return, is far too high. Over
# all anchors of the new images:

# %%
outcomes = anchor_outcomes(model, new, random_state=0)
means = {
    "share of anchors that are objects": outcomes.is_object,
    "mean probability stated (inverse link)": outcomes.probability(),
    "mean sigmoid of the margin": outcomes.probability(calibrated=False),
}
rows = {name: np.average(values, weights=outcomes.sample_weight) for name, values in means.items()}
folder.cleanup()
pd.Series(rows).round(5).to_frame("")
