"""YAML of others: plain values as YAML 1.1 or 1.2 has them. What is refused is tested where the CLI migrates files."""

import pytest

from kgents_shared.yaml_documents import BadYaml, YamlTooDeep, read_yaml


@pytest.mark.parametrize("plain", ["no", "on", "Off", "12:30", "0777", "1_000", "12:30:45.5", "1_0.5"])
def test_what_is_no_value_of_the_core_schema_stays_text(plain: str) -> None:
    assert read_yaml(f"a: {plain}", core_schema=True) == [{"a": plain}]
    assert read_yaml(f"a: {plain}") != [{"a": plain}]


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("true", True),
        ("-12", -12),
        ("0", 0),
        ("1.5e+3", 1500.0),
        ("null", None),
        ("0x1f", 31),
        ("2024-01-01", "2024-01-01"),
    ],
)
def test_values_of_the_core_schema_are_values(plain: str, value: object) -> None:
    assert read_yaml(f"a: {plain}", core_schema=True) == [{"a": value}]


def test_faults_have_their_place() -> None:
    with pytest.raises(BadYaml) as fault:
        read_yaml("a: 1\na: 2\n")
    assert (fault.value.line, fault.value.column) == (2, 1)
    with pytest.raises(YamlTooDeep):
        read_yaml("[" * 100_000)
