"""Every use of what other libraries do not promise: private names, and what versions do otherwise.

A file for each library, a function for each use. Each says what it gives and what breaks where the
library changes it; ``tests/compat`` holds it to that under the oldest and the newest versions
(``make compat``). Nothing else in focaltab touches such names. Methods that focaltab overrides stay
with their classes; `OVERRIDDEN` of a file names them.

Nothing is imported here, and boosters only where a function is called.
"""
