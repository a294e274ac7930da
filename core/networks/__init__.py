"""Networks: one registry, one builder."""

from core.learning.networks.registry import ArchitectureInfo, architecture, architectures, build, resolve_encoder

__all__ = ["ArchitectureInfo", "architecture", "architectures", "build", "resolve_encoder"]
