"""Networks: one registry, one builder."""

from core.networks.architectures import ArchitectureInfo, architecture, architectures, build, resolve_encoder

__all__ = ["ArchitectureInfo", "architecture", "architectures", "build", "resolve_encoder"]
