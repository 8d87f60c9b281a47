import pytest


@pytest.fixture(scope="session")
def client():
    """Two worker processes, shared by the tests that end none."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
