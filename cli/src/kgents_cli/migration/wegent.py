"""Wegent's Kubernetes-style kinds: a Bot's Ghost, Model and Shell become one agent; a Team of one Bot gives its name.

The kinds of a whole batch are one set: a Bot's parts may stand in other files than the Bot.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from kgents_cli.migration.fields import Fields, mappings
from kgents_cli.migration.notes import Draft, Kind, Note, Origin, Outcome, Place, Refusal, Skipped
from kgents_cli.migration.tools import carry_servers
from kgents_cli.migration.wegent_models import carry_kind_model

FORMAT = "wegent"
_API = "agent.wecode.io/"
_PARTS = frozenset({"Ghost", "Model", "Shell", "Bot", "Team", "Template"})
_BOTS_PARTS = (("ghostRef", "Ghost"), ("modelRef", "Model"), ("secondaryModelRef", "Model"), ("shellRef", "Shell"))
_OTHER = {
    "Workspace": "an agent has no repository to work in",
    "Task": "a task is no part of an agent; send its prompt as a message: kgents message AGENT TEXT",
    "Collaboration": "several bots can't work together yet",
    "Skill": "a skill's files can't be given to an agent yet",
    "KnowledgeBase": "files and other sources can't be given to an agent yet",
    "Retriever": "files and other sources can't be given to an agent yet",
    "Subscription": "nothing starts an agent but a message",
    "Device": "agents run on the platform, not on a device",
}
# What runs there with a workspace and code of its own, and is a plain loop of messages and tools here.
_SHELLS_TO_CHAT = {
    "ClaudeCode": "it works in a repository and runs commands; here the agent can only call the tools that it is given",
    "Agno": "it can let several agents work together; here the agent answers alone",
    "Codex": "it works in a repository and runs commands; here the agent can only call the tools that it is given",
    "Executor": "it works in a repository and runs commands; here the agent can only call the tools that it is given",
}
_ELSEWHERE = frozenset({"Dify"})
_SKILLS_LOST = "a skill's files can't be given to an agent yet"
_GHOST_LOST = {
    "skills": _SKILLS_LOST,
    "preload_skills": _SKILLS_LOST,
    "skill_refs": _SKILLS_LOST,
    "preload_skill_refs": _SKILLS_LOST,
    "defaultKnowledgeBaseRefs": "files and other sources can't be given to an agent yet",
}
_TEAM_LOST = {
    "quick_phrases": "there are no phrases to click on",
    "quickPhrases": "there are no phrases to click on",
    "requiresWorkspace": "an agent has no repository to work in",
}
# How Wegent's own pages show a team, and what says nothing with one member.
_TEAM_BOOKKEEPING = (
    "collaborationModel",
    "bind_mode",
    "workflow",
    "icon",
    "is_recommended",
    "recommended_mode",
    "displayConfig",
)

Key = tuple[str, str, str]
"""Kind, namespace and name."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One document: its kind, namespace and name, and where it stands."""

    kind: str
    namespace: str
    name: str
    spec: Mapping[str, Any]
    metadata: Mapping[str, Any]
    origin: Origin

    @property
    def key(self) -> Key:
        """What references name."""
        return (self.kind, self.namespace, self.name)


@dataclass(slots=True)
class Batch:
    """All resources of a migration, found by what references say."""

    resources: dict[Key, Resource] = field(default_factory=dict[Key, Resource])
    outcome: Outcome = field(default_factory=Outcome)

    def add(self, resource: Resource) -> None:
        """Keep a resource; a second one of the same kind and name is refused."""
        if resource.key in self.resources:
            first = self.resources[resource.key].origin
            msg = f"there is a {resource.kind} {resource.name!r} already, in {first.file}"
            refusal = Refusal.because(resource.origin, resource.name, "doubled_resource", msg, "keep one of them")
            self.outcome.refusals.append(refusal)
            return
        self.resources[resource.key] = resource

    def of(self, kind: str) -> list[Resource]:
        """Every resource of a kind, in the order of the files."""
        return [resource for resource in self.resources.values() if resource.kind == kind]

    def referenced(self, kind: str, reference: object, by: Resource) -> Resource | None:
        """What `{name, namespace}` stands for."""
        if not isinstance(reference, dict):
            return None
        table = cast("dict[str, Any]", reference)
        namespace = table.get("namespace") or by.namespace
        return self.resources.get((kind, str(namespace), str(table.get("name"))))


def is_resource(value: object) -> bool:
    """Whether a document is one of Wegent's kinds, or a list of them."""
    if not isinstance(value, dict):
        return False
    table = cast("dict[str, Any]", value)
    return str(table.get("apiVersion", "")).startswith(_API) and isinstance(table.get("kind"), str)


def resources_in(value: Mapping[str, Any], origin: Origin) -> Iterator[Resource | Refusal]:
    """The resource of a document, or those of its `items`; a refusal for what has no name or no spec."""
    items = value.get("items")
    if isinstance(items, list) and "spec" not in value:
        kind = str(value["kind"]).removesuffix("List")
        if not items:
            here = Origin(origin.file, FORMAT, (*origin.place, "items"))
            yield Refusal.because(here, None, "not_a_resource", "the list is empty", "export it again")
        for number, item in enumerate(cast("list[Any]", items)):
            here = Origin(origin.file, FORMAT, (*origin.place, "items", number))
            table = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
            yield _resource({"kind": kind, **table}, here)
        return
    yield _resource(value, Origin(origin.file, FORMAT, origin.place))


def _resource(value: Mapping[str, Any], origin: Origin) -> Resource | Refusal:
    metadata, spec = value.get("metadata"), value.get("spec")
    name = cast("dict[str, Any]", metadata).get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name or not mappings([metadata, spec]):
        called = name if isinstance(name, str) else None
        msg = f"a {value['kind']} needs metadata.name and a spec"
        return Refusal.because(origin, called, "not_a_resource", msg, "export it again, or write them")
    meta = cast("dict[str, Any]", metadata)
    namespace = str(meta.get("namespace") or "default")
    kind = str(value["kind"])
    # Parts of one agent come from several documents and files: a place begins with the resource, as kubectl names it.
    here = Origin(origin.file, FORMAT, (f"{kind}/{name}",))
    return Resource(kind, namespace, name, cast("dict[str, Any]", spec), meta, here)


def convert(batch: Batch) -> Outcome:
    """Teams of one Bot, the other Bots, Ghosts that no Bot has, and Templates, each as an agent; all else is told."""
    outcome = batch.outcome
    in_teams: set[Key] = set()
    for team in batch.of("Team"):
        outcome.add(_team(batch, team, in_teams))
    used: set[Key] = set()
    for bot in batch.of("Bot"):
        parts = (batch.referenced(kind, bot.spec.get(name), bot) for name, kind in _BOTS_PARTS)
        used |= {part.key for part in parts if part is not None}
        if bot.key not in in_teams:
            outcome.add(_agent(batch, bot, bot.name, ""))
    for ghost in batch.of("Ghost"):
        if ghost.key not in used:
            outcome.add(_lone_ghost(ghost))
    for template in batch.of("Template"):
        outcome.add(_template(template))
    for resource in batch.resources.values():
        if resource.kind not in _PARTS:
            why = _OTHER.get(resource.kind, "it is no part of an agent")
        elif resource.kind in ("Model", "Shell") and resource.key not in used:
            why = "no Bot has it, and it makes no agent by itself"
        else:
            continue
        outcome.skipped.append(Skipped(resource.origin, f"{resource.kind} {resource.name}", why))
    return outcome


def _team(batch: Batch, team: Resource, in_teams: set[Key]) -> Outcome:
    """The agent of a Team of one; a larger one is refused, and its Bots become agents of their own."""
    members: list[Any] = [entry for entry in _entries(team.spec.get("members")) if isinstance(entry, dict)]
    if len(members) != 1:
        how = f"{len(members)} bots can't work together yet" if members else "it has no members"
        place = (*team.origin.place, "spec", "members")
        hint = "each of its bots is migrated as an agent of its own" if members else "give it a bot"
        code = "several_bots" if members else "no_bot"
        return Outcome(refusals=[Refusal.because(team.origin, team.name, code, how, hint, place=place)])
    member = Fields(cast("dict[str, Any]", members[0]), (*team.origin.place, "spec", "members", 0))
    reference = member.take("botRef")
    bot = batch.referenced("Bot", reference, team)
    if bot is None:
        return _missing(team, "Bot", reference, ("spec", "members", 0, "botRef"))
    in_teams.add(bot.key)
    found = _agent(batch, bot, team.name, member.text("prompt") or "")
    member.ignore("role", "requireConfirmation", "contextPassing")
    member.lose_rest()
    spec = Fields(team.spec, (*team.origin.place, "spec"), member.notes)
    spec.ignore("members", *_TEAM_BOOKKEEPING)
    description = spec.text("description") or _described(team)
    spec.lose_known(_TEAM_LOST)
    spec.lose_rest()
    return Outcome(
        [
            Draft(draft.name, {**draft.fields, "description": description}, team.origin, [*draft.notes, *spec.notes])
            for draft in found.drafts
        ],
        [Refusal(team.origin, refusal.reasons, team.name) for refusal in found.refusals],
    )


def _entries(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _described(resource: Resource) -> str:
    """What a page would call it, where that says more than the name."""
    found = resource.metadata.get("description") or resource.metadata.get("displayName") or ""
    return str(found) if found != resource.name else ""


def _agent(batch: Batch, bot: Resource, name: str, more: str) -> Outcome:
    """A Bot as an agent; `more` is what a Team tells its member beside the Ghost's prompt."""
    fields = Fields(bot.spec, (*bot.origin.place, "spec"))
    ghost_reference = fields.take("ghostRef")
    ghost = batch.referenced("Ghost", ghost_reference, bot)
    if ghost is None:
        return _missing(bot, "Ghost", ghost_reference, ("spec", "ghostRef"), name)
    prompt, tools = _ghost(_spec(ghost, fields.notes), more)
    kind = _shell_type(batch, bot, fields.take("shellRef"))
    refusal = _elsewhere(bot, name, kind) or _without_prompt(bot, name, ghost.origin.place, prompt)
    if refusal is not None:
        return Outcome(refusals=[refusal])
    _tell_shell(fields, kind)
    llm = _llm(batch, bot, fields)
    fields.lose_known({"secondaryModelRef": "an agent has one model"})
    fields.lose_rest()
    made: dict[str, Any] = {"description": _described(bot), "system_prompt": prompt}
    made |= {table: found for table, found in (("llm", llm), ("tools", tools)) if found}
    return Outcome(drafts=[Draft(name, made, bot.origin, fields.notes)])


def _lone_ghost(ghost: Resource) -> Outcome:
    notes: list[Note] = []
    prompt, tools = _ghost(_spec(ghost, notes))
    refusal = _without_prompt(ghost, ghost.name, ghost.origin.place, prompt)
    if refusal is not None:
        return Outcome(refusals=[refusal])
    msg = "no Bot has this Ghost: it is an agent with its prompt alone"
    notes.append(Note(Kind.CHANGED, "ghost_alone", ghost.origin.place, msg))
    made: dict[str, Any] = {"description": _described(ghost), "system_prompt": prompt}
    return Outcome(drafts=[Draft(ghost.name, made | ({"tools": tools} if tools else {}), ghost.origin, notes)])


def _template(template: Resource) -> Outcome:
    """A Template: the parts of one agent in one document, and what starts it there, which stays behind."""
    notes: list[Note] = []
    spec = _spec(template, notes)
    description = spec.text("description") or _described(template)
    parts = spec.inside("resources") or Fields({}, spec.place, notes)
    ghost, bot = parts.inside("ghost"), parts.inside("bot")
    prompt, tools = ("", dict[str, Any]()) if ghost is None else _ghost(ghost)
    refusal = _without_prompt(template, template.name, template.origin.place, prompt)
    if refusal is not None:
        return Outcome(refusals=[refusal])
    if bot is not None:
        _tell_shell(bot, bot.text("shellName"))
        bot.lose_rest()
    parts.lose_known(dict.fromkeys(("subscription", "queue"), "nothing starts an agent but a message"))
    parts.ignore("team")
    parts.lose_rest()
    spec.ignore("displayName", "category", "tags", "icon")
    spec.lose_rest()
    made: dict[str, Any] = {"description": description, "system_prompt": prompt} | ({"tools": tools} if tools else {})
    return Outcome(drafts=[Draft(template.name, made, template.origin, notes)])


def _spec(resource: Resource, notes: list[Note]) -> Fields:
    return Fields(resource.spec, (*resource.origin.place, "spec"), notes)


def _ghost(fields: Fields, more: str = "") -> tuple[str, dict[str, Any]]:
    """The prompt and `[tools]`; what there is to say is added to the fields' notes."""
    prompt = fields.text("systemPrompt") or ""
    if more.strip():
        prompt = f"{prompt.rstrip()}\n\n{more.strip()}\n"
        fields.change("systemPrompt", "prompt_made", "what the Team tells its member stands below the Ghost's prompt")
    servers = fields.take("mcpServers")
    allowed = [] if servers is None else carry_servers(fields, "mcpServers", servers)
    fields.lose_known(_GHOST_LOST)
    fields.lose_rest()
    return prompt, ({"allow": allowed} if allowed else {})


def _without_prompt(resource: Resource, name: str, ghost: Place, prompt: str) -> Refusal | None:
    if prompt.strip():
        return None
    msg, place = f"{ghost[0]} has no prompt", (*ghost, "spec")
    return Refusal.because(resource.origin, name, "no_prompt", msg, "give it a systemPrompt", place=place)


def _shell_type(batch: Batch, bot: Resource, reference: object) -> str | None:
    """`Chat`, `ClaudeCode` and so on; the name itself where no file has the Shell, since public ones are called so."""
    shell = batch.referenced("Shell", reference, bot)
    if shell is None:
        return _name_of(reference)
    found = shell.spec.get("shellType") or shell.spec.get("runtime") or shell.spec.get("baseShellRef") or shell.name
    return str(found)


def _elsewhere(bot: Resource, name: str, kind: str | None) -> Refusal | None:
    """The refusal of a Bot whose mind is in another program: nothing of it could be carried over."""
    if kind not in _ELSEWHERE:
        return None
    msg, place = f"{kind} runs the agent, prompt and all: it isn't in the file", (*bot.origin.place, "spec", "shellRef")
    return Refusal.because(bot.origin, name, "runs_elsewhere", msg, "export the application there", place=place)


def _tell_shell(fields: Fields, kind: str | None) -> None:
    if kind in _SHELLS_TO_CHAT:
        fields.change("shellRef", "shell_changed", f"{kind} becomes Chat: {_SHELLS_TO_CHAT[kind]}")
    elif kind not in (None, "Chat"):
        fields.lose("shellRef", "shell_unknown", f"no file says what the Shell {kind!r} is; the agent runs in Chat")


def _llm(batch: Batch, bot: Resource, fields: Fields) -> dict[str, Any]:
    reference = fields.take("modelRef")
    if reference is None:
        return {}
    model = batch.referenced("Model", reference, bot)
    if model is None:
        msg = f"no file has the Model {_name_of(reference)!r}; the platform's own model answers instead"
        fields.lose("modelRef", "part_missing", msg, "give its file too")
        return {}
    return carry_kind_model(model.spec, (*model.origin.place, "spec"), fields.notes)


def _missing(resource: Resource, kind: str, reference: object, at: Place, name: str = "") -> Outcome:
    msg = f"no file has the {kind} {_name_of(reference)!r}"
    hint, place = "give its file too: the kinds of all files of one call are one set", (*resource.origin.place, *at)
    refusal = Refusal.because(resource.origin, name or resource.name, "part_missing", msg, hint, place=place)
    return Outcome(refusals=[refusal])


def _name_of(reference: object) -> str | None:
    if not isinstance(reference, dict):
        return None
    found = cast("dict[str, Any]", reference).get("name")
    return None if found is None else str(found)
