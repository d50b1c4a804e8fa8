"""`kserve.metrics`: the label of KServe's histograms, which this server keeps itself."""

PROM_LABELS = ["model_name"]


def get_labels(model_name: str) -> dict[str, str]:
    """Return the labels of one model."""
    return {PROM_LABELS[0]: model_name}
