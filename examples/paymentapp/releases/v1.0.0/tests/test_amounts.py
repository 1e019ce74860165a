"""What an amount may be, and what a password becomes. Run by `python3 -m unittest discover -s tests`."""

import unittest

from paymentapp.accounts import _hashed, _matches
from paymentapp.payments import _amount
from paymentapp.request import RefusedError


def is_refused(given: object) -> bool:
    try:
        _amount(given)
    except RefusedError:
        return True
    return False


class Amounts(unittest.TestCase):
    def test_an_amount_has_two_decimals(self) -> None:
        assert str(_amount("5")) == "5.00"
        assert str(_amount("0.01")) == "0.01"

    def test_what_is_no_amount_is_refused(self) -> None:
        wrong = ("0", "-1", "1.001", "NaN", "Infinity", "ten", None, "1e12")
        assert [given for given in wrong if not is_refused(given)] == []


class Passwords(unittest.TestCase):
    def test_a_password_is_known_by_its_hash_alone(self) -> None:
        stored = _hashed("engine")
        assert "engine" not in stored
        assert _matches("engine", stored)
        assert not _matches("engines", stored)
        assert not _matches("engine", None)


if __name__ == "__main__":
    unittest.main()
