"""What is wrong with the settings of a storage, in the words of its kind; pure."""

import msgspec

from kronkeep_common.model_faults import ModelFault, describe_fault
from kronkeep_common.models.storage import Settings
from kronkeep_common.models.storage_kinds import KINDS, fields_of


def describe_settings_fault(kind: str, fault: msgspec.ValidationError) -> ModelFault:
    """Return the fault, with a field's description where its value has not the right form."""
    described = describe_fault(fault, KINDS[kind].settings)
    descriptions = {field.name: field.description for field in fields_of(KINDS[kind].settings)}
    if "regex" in str(fault) and described.path in descriptions:
        return ModelFault(described.steps, _form_words(descriptions[described.path]))
    return described


def find_settings_faults(kind: str, settings: Settings) -> dict[str, str]:
    """Return what is wrong, one sentence by each field's name; empty for good settings."""
    hints = KINDS[kind].settings.__annotations__
    faults = {}
    for field in fields_of(KINDS[kind].settings):
        if field.name not in settings:
            if field.required:
                faults[field.name] = f"It must be given: {field.description}."
            continue
        try:
            msgspec.convert(settings[field.name], hints[field.name], strict=False)
        except msgspec.ValidationError as fault:
            is_form = "regex" in str(fault)
            words = _form_words(field.description) if is_form else describe_fault(fault, None).words
            faults[field.name] = f"{words[0].upper()}{words[1:]}"
    return faults


def _form_words(description: str) -> str:
    return f"it is not of the right form: {description}."
