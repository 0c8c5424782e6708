# Spack 1.0 or newer, from the root of nfd's sources, which it builds where they are:
#
#   spack repo add jobs/spack/spack_repo/nfd
#   spack dev-build nfd@main +mpi

from spack_repo.builtin.build_systems.cargo import CargoPackage

from spack.package import *


class Nfd(CargoPackage):
    """Ensembles of finite residual networks and their infinite-depth limit, and how fast the one
    becomes the other."""

    license("MIT OR Apache-2.0")

    version("main")

    variant("mpi", default=True, description="Several processes, through MPI")
    variant("cuda", default=False, description="CUDA kernels compiled at build time")

    depends_on("c", type="build")
    depends_on("rust@1.89:", type="build")
    depends_on("mpi", when="+mpi")
    # libclang, which the bindings to MPI are made with.
    depends_on("llvm+clang", type="build", when="+mpi")
    # NVRTC; what runs needs the driver alone.
    depends_on("cuda@12", type="build", when="+cuda")

    def setup_build_environment(self, env):
        if self.spec.satisfies("+mpi"):
            env.set("MPICC", self.spec["mpi"].mpicc)
            env.set("LIBCLANG_PATH", self.spec["llvm"].prefix.lib)
        nvrtc = "none"
        if self.spec.satisfies("+cuda"):
            nvrtc = join_path(self.spec["cuda"].prefix.lib64, "libnvrtc.so")
        env.set("NFD_NVRTC", nvrtc)

    @property
    def build_args(self):
        features = ["--features", "mpi"] if self.spec.satisfies("+mpi") else []
        return ["--locked", *features]
