//! What to do where a driver refuses to begin.

use cudarc::driver::sys::CUresult;

/// Which processes may use a device at one time, as its administrator has set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeMode {
    /// Any number of them.
    Shared,
    /// One at a time.
    Exclusive,
    /// None.
    Prohibited,
}

/// What to do about an error of the driver's first calls, up to the opening of a device of this compute mode;
/// None as the mode where no device is asked for yet.
pub fn advice(error: CUresult, mode: Option<ComputeMode>) -> &'static str {
    use CUresult as Code;
    match (error, mode) {
        (Code::CUDA_ERROR_DEVICE_UNAVAILABLE, Some(ComputeMode::Prohibited)) => {
            "its compute mode is PROHIBITED: take another GPU, or have it changed (nvidia-smi -c DEFAULT)"
        }
        (Code::CUDA_ERROR_DEVICE_UNAVAILABLE, Some(ComputeMode::Exclusive)) => {
            "its compute mode is EXCLUSIVE_PROCESS and another process has it: start one rank per \
             GPU, or let ranks share it through MPS (nvidia-cuda-mps-control -d, before the job)"
        }
        (Code::CUDA_ERROR_DEVICE_UNAVAILABLE, _) => {
            "another process has it for itself, or it is in a mode for which it must be \
             partitioned (MIG): nvidia-smi shows both; start one rank per GPU, or let ranks share \
             it through MPS"
        }
        (Code::CUDA_ERROR_OUT_OF_MEMORY, _) => {
            "others have taken its memory: nvidia-smi shows them; start fewer ranks per GPU"
        }
        (Code::CUDA_ERROR_NO_DEVICE, _) => {
            "in a container, start it with its GPUs (apptainer --nv, docker --gpus all); in a job, ask for a \
             GPU; see CUDA_VISIBLE_DEVICES"
        }
        (Code::CUDA_ERROR_STUB_LIBRARY, _) => {
            "the libcuda that was found is the toolkit's stub: take lib64/stubs off LD_LIBRARY_PATH"
        }
        (Code::CUDA_ERROR_SYSTEM_NOT_READY, _) => {
            "a machine with NVSwitch needs nvidia-fabricmanager of the driver's version running"
        }
        (Code::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, _) => {
            "libcuda and the kernel module are of two versions: restart after an update of the driver; in a \
             container, take the libcuda of the host"
        }
        (Code::CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, _) => {
            "the libcuda that was found is of a cuda-compat package, which this GPU cannot use: take its \
             folder off LD_LIBRARY_PATH"
        }
        (
            Code::CUDA_ERROR_MPS_CONNECTION_FAILED
            | Code::CUDA_ERROR_MPS_RPC_FAILURE
            | Code::CUDA_ERROR_MPS_SERVER_NOT_READY,
            _,
        ) => {
            "MPS does not answer: start its daemon (nvidia-cuda-mps-control -d) as this user with \
             the same CUDA_MPS_PIPE_DIRECTORY, or end it and start one rank per GPU"
        }
        (
            Code::CUDA_ERROR_MPS_MAX_CLIENTS_REACHED | Code::CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED,
            _,
        ) => "MPS serves no more processes: start fewer ranks per GPU",
        (Code::CUDA_ERROR_OPERATING_SYSTEM | Code::CUDA_ERROR_UNKNOWN, _) => {
            "the driver's devices (/dev/nvidia*) may be missing or closed to this user: nvidia-smi and \
             nvidia-modprobe -u show and mend that; in a container, start it with its GPUs"
        }
        _ => "see whether nvidia-smi works on this machine",
    }
}
