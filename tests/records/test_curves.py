"""Which metric is the loss."""

from suite.records.curves import loss


def test_the_loss_is_found_by_its_name() -> None:
    assert loss({"step": 1.0, "my_loss": 3.0, "outer_loss": 2.0}) == 2.0
    assert loss({"step": 1.0, "my_loss": 3.0, "other_loss": 4.0}) == 3.0
    assert loss({"step": 1.0, "accuracy": 0.5}) is None and loss({}) is None
