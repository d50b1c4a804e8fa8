"""What the registry refuses, each with a code for programs and a sentence for people."""


class RegistryError(Exception):
    code = "refused"
    status = 400


class NoSuchThing(RegistryError):
    code = "not_found"
    status = 404


class VersionExists(RegistryError):
    code = "version_exists"
    status = 409


class InUse(RegistryError):
    code = "in_use"
    status = 409


class Empty(RegistryError):
    code = "empty"


class BadArchive(RegistryError):
    """The archive cannot be unpacked safely; nothing of it was kept."""

    code = "bad_archive"
