"""The models and versions that are there to be served: their folders, cards and rules, as they are at this moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from model_server.model_card import ModelCard, read_card
from model_server.releases import rules
from model_server.releases.folders import ModelFolder, check_whole, find_models
from model_server.releases.rules import DEFAULT_RULES, ModelRules, VersionPolicy, read_rules
from monitor_agent.errors import ModelError
from monitor_agent.settings import ServerSettings

NO_NAMES: Mapping[Path, str] = {}


@dataclass(frozen=True)
class AvailableModel:
    """A model that is there.

    Attributes
    ----------
    cards : the cards of its versions by their names, the oldest first; empty if all are refused.
    refused : what is wrong with the other folders of versions, by the name of the version or of its folder.
    """

    name: str
    folder: Path
    cards: Mapping[str, ModelCard]
    rules: ModelRules = DEFAULT_RULES
    refused: Mapping[str, ModelError] = field(default_factory=dict)

    @property
    def first_problem(self) -> ModelError:
        """Why none of its versions can be served."""
        problem = next(reversed(list(self.refused.values())), None)
        return problem or ModelError(f"{self.folder} has no version that the rules choose", "correct the rules")

    def choose(self, refused: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """Return the versions to load, without refused ones; the oldest first."""
        return self.rules.choose([version for version in self.cards if version not in refused])


def available_models(settings: ServerSettings, names: Mapping[Path, str] = NO_NAMES) -> tuple[AvailableModel, ...]:
    """Return the models that the settings name, in the order of their names; one at least.

    Parameters
    ----------
    names : the names of models that are served already, by their folders: a new version cannot change them. The
        newest version says the name of another model.

    Raises
    ------
    ModelError
        If there is none, or if two folders hold models of one name.
    SettingsError
        If the file of rules is malformed.
    """
    folders = find_models(Path(settings.model_dir))
    rules_of = read_rules(path) if (path := rules_file(settings)) else {}
    if len(folders) > 1:
        _refuse_settings_of_one_model(settings, folders)
    models: dict[str, AvailableModel] = {}
    for folder in folders:
        model = _available(folder, settings, rules_of, names.get(folder.path))
        if model.name in models:
            paths = f"{models[model.name].folder} and {folder.path}"
            raise ModelError(f"{paths} hold the model {model.name}", "write another name into model.json")
        models[model.name] = model
    return tuple(models[name] for name in sorted(models))


def cards_to_serve(settings: ServerSettings) -> list[ModelCard]:
    """Return the cards of the versions that a server would load now, one at least for each model.

    Raises
    ------
    MonitorError
        If folders or rules cannot be used, or if a model has no version that could be loaded.
    """
    cards = []
    for model in available_models(settings):
        versions = model.choose()
        if not versions:
            raise model.first_problem
        cards += [model.cards[version] for version in versions]
    return cards


def rules_file(settings: ServerSettings) -> Path | None:
    """Return the file of rules: that of the settings, else the one in the model folder; None if there is none."""
    if settings.model_config:
        return Path(settings.model_config)
    path = Path(settings.model_dir) / rules.FILE
    return path if path.is_file() else None


def _available(
    folder: ModelFolder, settings: ServerSettings, rules_of: Mapping[str, ModelRules], served_name: str | None
) -> AvailableModel:
    cards: dict[str, ModelCard] = {}
    refused: dict[str, ModelError] = {}
    for path in folder.versions.values():
        try:
            check_whole(path)
            card = read_card(path, settings, folder.name)
            if card.version in cards:
                raise ModelError(
                    f"{cards[card.version].folder} and {path} hold version {card.version}",
                    "write another version into model.json, or remove one of them",
                )
            cards[card.version] = card
        except ModelError as error:
            refused[path.name] = error
    newest = next(reversed(cards.values()), None)
    name = served_name or (newest.name if newest else settings.model_name or folder.name)
    for version, card in list(cards.items()):
        if card.name != name:
            problem = f"{card.folder} names the model {card.name}, and other versions {name}"
            refused[version] = ModelError(problem, "write one name into the model.json of all versions")
            del cards[version]
    chosen_rules = rules_of.get(name, DEFAULT_RULES)
    if settings.model_version and cards and not folder.is_single:
        version = _version_of(settings.model_version, cards, folder.path)
        chosen_rules = replace(chosen_rules, versions=VersionPolicy(names=(version,)), default=version)
    return AvailableModel(name, folder.path, cards, chosen_rules, refused)


def _version_of(name: str, cards: Mapping[str, ModelCard], root: Path) -> str:
    """Return the version with a name, of its own or of its folder.

    Raises
    ------
    ModelError
        If there is none.
    """
    if name in cards:
        return name
    for version, card in cards.items():
        if card.folder.name == name:
            return version
    raise ModelError(f"{root} has no version {name}", f"it has {', '.join(cards)}")


def _refuse_settings_of_one_model(settings: ServerSettings, folders: tuple[ModelFolder, ...]) -> None:
    values = {
        "MODEL_SERVER_MODEL_NAME": settings.model_name,
        "MODEL_SERVER_MODEL_VERSION": settings.model_version,
        "MODEL_SERVER_THRESHOLD": settings.threshold,
    }
    names = ", ".join(folder.path.name for folder in folders)
    for variable, value in values.items():
        if value not in ("", None):
            raise ModelError(
                f"{variable} is for one model, and {settings.model_dir} holds several: {names}",
                f"unset it, and write into model.json or {rules.FILE} what each model needs",
            )
