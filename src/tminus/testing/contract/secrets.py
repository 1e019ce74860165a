"""What every implementation of `ports.secrets.Secrets` must do."""

import abc
from collections.abc import Iterable

import pytest

from tminus.domain.plan.secret import SecretRef
from tminus.ports.fault import Refused
from tminus.ports.secrets import Secrets


class SecretsHarness(abc.ABC):
    """A place where values can be put."""

    @abc.abstractmethod
    def secrets(self) -> Secrets:
        """The adapter."""

    @abc.abstractmethod
    def hold(self, value: str) -> Iterable[SecretRef]:
        """References under which the value is now found, one for each source."""

    @abc.abstractmethod
    def missing(self) -> Iterable[SecretRef]:
        """References that lead nowhere, one for each source."""


class SecretsContract:
    """The suite. Subclass it and override the fixture `harness`."""

    @pytest.fixture
    def harness(self) -> SecretsHarness:
        """What to run the suite on."""
        raise NotImplementedError

    @pytest.mark.parametrize("value", ["hunter2", "  spaced  ", "ü\tß", "two\nlines", "$HOME `id` 'quoted'"])
    def test_a_value_comes_as_it_was_put(self, harness: SecretsHarness, value: str) -> None:
        """Nothing is trimmed or interpreted but one line break at the end."""
        refs = list(harness.hold(value))
        assert refs
        assert [harness.secrets().resolve(ref) for ref in refs] == [value] * len(refs)

    def test_a_missing_value_is_refused_by_its_reference(self, harness: SecretsHarness) -> None:
        """The text names the reference, so that somebody can put the value there."""
        refs = list(harness.missing())
        assert refs
        for ref in refs:
            with pytest.raises(Refused) as refusal:
                harness.secrets().resolve(ref)
            assert refusal.value.code == "secret-missing"
            assert refusal.value.why.startswith(f"secret {ref.text()}: ")

    def test_an_empty_value_is_missing(self, harness: SecretsHarness) -> None:
        """An empty password is a mistake, never a password."""
        for ref in harness.hold(""):
            with pytest.raises(Refused) as refusal:
                harness.secrets().resolve(ref)
            assert refusal.value.code == "secret-missing"
