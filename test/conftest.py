"""`--every N` runs one test in N, spread over all of them; the quick set of tests does that."""


def pytest_addoption(parser):
    parser.addoption("--every", type=int, default=1)


def pytest_collection_modifyitems(config, items):
    every = config.getoption("--every")
    config.hook.pytest_deselected(items=[t for i, t in enumerate(items) if i % every])
    items[:] = [t for i, t in enumerate(items) if i % every == 0]
