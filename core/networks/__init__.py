"""Networks: one registry, one builder."""

from core.networks.architectures import ArchitectureInfo, architecture, architectures, build, fitted_rates, resolve_encoder

__all__ = ["ArchitectureInfo", "architecture", "architectures", "build", "fitted_rates", "resolve_encoder"]
