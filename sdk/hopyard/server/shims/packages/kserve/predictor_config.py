"""`kserve.predictor_config`: where a transformer finds its predictor."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PredictorConfig:
    """Address and manners of a predictor; `predictor_host` is `host` or `host:port`."""

    predictor_host: str | None
    predictor_protocol: str = "v1"
    predictor_use_ssl: bool = False
    predictor_request_timeout_seconds: int = 600
    predictor_request_retries: int = 0
    predictor_health_check: bool = False

    @property
    def predictor_base_url(self) -> str:
        """The address as a URL without a path."""
        return f"{'https' if self.predictor_use_ssl else 'http'}://{self.predictor_host}"

    @property
    def protocol(self) -> str:
        return self.predictor_protocol

    @property
    def timeout(self) -> int:
        return self.predictor_request_timeout_seconds

    @property
    def retries(self) -> int:
        return self.predictor_request_retries

    @property
    def use_ssl(self) -> bool:
        return self.predictor_use_ssl
