"""Tools in Python: `statistics.describe` and `statistics.median`, compiled by componentize-py.

componentize-py -d ../wit -w tools componentize --stub-wasi app -o statistics.wasm
"""

import json
import statistics

from componentize_py_types import Err
from wit_world.exports import Provider as ProviderInterface
from wit_world.exports.provider import Tool

NUMBERS = json.dumps(
    {
        "type": "object",
        "properties": {"numbers": {"type": "array", "items": {"type": "number"}, "minItems": 1}},
        "required": ["numbers"],
    }
)


class Provider(ProviderInterface):
    """What the component exports."""

    def list_tools(self) -> list[Tool]:
        """The tools, asked for once at registration."""
        return [
            Tool("describe", "Count, mean, lowest and highest of some numbers, as JSON.", NUMBERS),
            Tool("median", "The median of some numbers.", NUMBERS),
        ]

    def call_tool(self, name: str, arguments: str) -> str:
        """One call. `Err` is an error that the model reads; any other exception is a failure of the module."""
        numbers = json.loads(arguments)["numbers"]
        if not numbers:
            raise Err("There are no numbers.")
        if name == "median":
            return str(statistics.median(numbers))
        found = {"count": len(numbers), "mean": statistics.fmean(numbers), "min": min(numbers), "max": max(numbers)}
        return json.dumps(found)
