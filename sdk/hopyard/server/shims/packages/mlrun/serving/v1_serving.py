"""The model class before V2ModelServer, which is not hosted here."""

from ..unsupported import unsupported

MLModelServer = unsupported(
    "MLModelServer", "derive the class from mlrun.serving.V2ModelServer, whose predict gets request['inputs']"
)
