"""`kgents models list|health|pull|local|prices`."""

import click

from kgents_cli.parameters import PROVIDERS, Amount

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_AMOUNT = "Money for a million tokens"


@click.group()
def command() -> None:
    """List models, what they cost and whether their providers answer; fetch local ones.

    \b
    Examples:
      kgents models list
      kgents models health
    """


@command.command(name="list")
@click.option("--provider", type=PROVIDERS, help="Of this provider alone.")
@_JSON
def list_models(provider: str | None, as_json: bool) -> None:
    """List the models that agents may name: the platform's, and those of your own credentials.

    \b
    Examples:
      kgents models list
      kgents models list --provider ollama
    """
    from kgents_cli.models import list_models as run

    run(provider, as_json=as_json)


@command.command()
@_JSON
def health(as_json: bool) -> int:
    """Say of each provider whether it can be reached and takes its key. Exit 1 where one doesn't.

    \b
    Examples:
      kgents models health
    """
    from kgents_cli.models import show_health

    return show_health(as_json=as_json)


@command.command()
@_JSON
def local(as_json: bool) -> None:
    """List what the platform's Ollama has, what is loaded, and how fast its models answer.

    \b
    Examples:
      kgents models local
    """
    from kgents_cli.models import list_local

    list_local(as_json=as_json)


@command.command()
@click.argument("model")
@_JSON
def pull(model: str, as_json: bool) -> None:
    """Have the platform's Ollama fetch MODEL, and show how far it is (administrators).

    \b
    Examples:
      kgents models pull llama3.2:3b
    """
    from kgents_cli.models import pull_model

    pull_model(model, as_json=as_json)


@command.group()
def prices() -> None:
    """List what models cost, and say it where the list is wrong or silent.

    \b
    Examples:
      kgents models prices list --provider openai
      kgents models prices set openai gpt-4o-mini --input 0.15 --output 0.60
    """


@prices.command(name="list")
@click.option("--provider", type=PROVIDERS, help="Of this provider alone.")
@_JSON
def list_prices(provider: str | None, as_json: bool) -> None:
    """List what models cost for a million tokens.

    \b
    Examples:
      kgents models prices list --provider anthropic
    """
    from kgents_cli.models import list_prices as run

    run(provider, as_json=as_json)


@prices.command(name="set")
@click.argument("provider", metavar="PROVIDER", type=PROVIDERS)
@click.argument("model")
@click.option("--input", "prompt", type=Amount(), required=True, help=f"{_AMOUNT} of the prompt.")
@click.option("--output", "answer", type=Amount(), required=True, help=f"{_AMOUNT} of the answer.")
@click.option("--cached-input", "cached", type=Amount(), help=f"{_AMOUNT} that the provider had cached.")
@_JSON
def set_price(provider: str, model: str, prompt: str, answer: str, cached: str | None, as_json: bool) -> None:
    """Say what MODEL costs; `*` is every model of PROVIDER that stands nowhere else (administrators).

    \b
    Examples:
      kgents models prices set openai-compatible house-model --input 0.20 --output 0.80
    """
    from kgents_cli.models import set_price as run

    run(provider, model, {"input": prompt, "output": answer, "cached_input": cached}, as_json=as_json)


@prices.command()
@click.argument("provider", metavar="PROVIDER", type=PROVIDERS)
@click.argument("model")
def unset(provider: str, model: str) -> None:
    """Take your price of MODEL away: the list's counts again (administrators).

    \b
    Examples:
      kgents models prices unset openai gpt-4o-mini
    """
    from kgents_cli.models import unset_price

    unset_price(provider, model)
