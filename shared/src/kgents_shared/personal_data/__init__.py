"""What a service keeps of a person: declared once by table, and so given out and erased whole."""

from kgents_shared.personal_data.tables import PersonalData, PersonalTable

__all__ = ["PersonalData", "PersonalTable"]
