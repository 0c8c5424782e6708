//! Launches by every way that the driver has, as the driver is called.

use cudarc::driver::CudaStream;
use cudarc::driver::sys::{self, CUresult, CUstreamCaptureMode as Mode};
use std::ffi::c_void;
use std::ptr::null_mut;

pub const OK: CUresult = CUresult::CUDA_SUCCESS;

/// What a launch looks like.
#[derive(Clone, Copy)]
pub struct Shape {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared: u32,
}

pub const ONE: Shape = Shape { grid: [1; 3], block: [1; 3], shared: 0 };

/// How to launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Plain,
    Cooperative,
    /// A plain launch as a node of a capture.
    Captured,
    CapturedCooperative,
    /// The node of a graph made ready, of a launch that was one of these two.
    Node,
    CooperativeNode,
}

impl Way {
    pub const ALL: [Self; 6] = [
        Self::Plain,
        Self::Cooperative,
        Self::Captured,
        Self::CapturedCooperative,
        Self::Node,
        Self::CooperativeNode,
    ];

    pub fn cooperative(self) -> bool {
        matches!(self, Self::Cooperative | Self::CapturedCooperative | Self::CooperativeNode)
    }
}

/// A kernel and its arguments' places.
#[derive(Clone, Copy)]
pub struct Call {
    pub function: sys::CUfunction,
    pub parameters: *mut *mut c_void,
    pub extra: *mut *mut c_void,
}

fn plain(stream: sys::CUstream, call: Call, shape: Shape, cooperative: bool) -> CUresult {
    let Shape { grid: [x, y, z], block: [u, v, w], shared } = shape;
    let Call { function: f, parameters, extra } = call;
    // SAFETY: the arguments are those of the kernel, or of a kind that is refused.
    unsafe {
        match cooperative {
            true => sys::cuLaunchCooperativeKernel(f, x, y, z, u, v, w, shared, stream, parameters),
            false => sys::cuLaunchKernel(f, x, y, z, u, v, w, shared, stream, parameters, extra),
        }
    }
}

/// Captures what `record` does in a stream: the graph, or why there is none.
pub fn captured(stream: &CudaStream, record: impl FnOnce()) -> Result<sys::CUgraph, CUresult> {
    stream.begin_capture(Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).unwrap();
    record();
    let mut graph = null_mut();
    // SAFETY: the stream is alive, the result's place is of this frame.
    unsafe { sys::cuStreamEndCapture(stream.cu_stream(), &raw mut graph) }
        .result()
        .map_err(|e| e.0)?;
    Ok(graph)
}

/// A graph made ready.
pub fn ready(graph: sys::CUgraph) -> Result<sys::CUgraphExec, CUresult> {
    let mut exec = null_mut();
    // SAFETY: a stale graph is refused.
    let code = unsafe { sys::cuGraphInstantiateWithFlags(&raw mut exec, graph, 0) };
    code.result().map(|()| exec).map_err(|error| error.0)
}

/// The first node of a graph.
pub fn first_node(graph: sys::CUgraph) -> sys::CUgraphNode {
    let (mut node, mut count) = (null_mut(), 1);
    // SAFETY: there is room for one.
    let code = unsafe { sys::cuGraphGetNodes(graph, &raw mut node, &raw mut count) };
    assert_eq!((code, count), (OK, 1));
    node
}

/// Gives a kernel node of a graph made ready another launch.
pub fn set_node(
    exec: sys::CUgraphExec,
    node: sys::CUgraphNode,
    call: Call,
    shape: Shape,
) -> CUresult {
    let [grid, block] = [shape.grid, shape.block];
    let parameters = sys::CUDA_KERNEL_NODE_PARAMS {
        func: call.function,
        gridDimX: grid[0],
        gridDimY: grid[1],
        gridDimZ: grid[2],
        blockDimX: block[0],
        blockDimY: block[1],
        blockDimZ: block[2],
        sharedMemBytes: shape.shared,
        kernelParams: call.parameters,
        extra: call.extra,
        kern: null_mut(),
        ctx: null_mut(),
    };
    // SAFETY: as for a launch; stale handles are refused.
    unsafe { sys::cuGraphExecKernelNodeSetParams_v2(exec, node, &raw const parameters) }
}

/// Launches, one way or another, what `one` launches rightly in the shape [`ONE`]. A capture whose
/// launch is refused comes to nothing.
pub fn launch(way: Way, stream: &CudaStream, one: Call, call: Call, shape: Shape) -> CUresult {
    let cooperative = way.cooperative();
    match way {
        Way::Plain | Way::Cooperative => plain(stream.cu_stream(), call, shape, cooperative),
        Way::Captured | Way::CapturedCooperative => {
            let mut code = OK;
            let graph = captured(stream, || {
                code = plain(stream.cu_stream(), call, shape, cooperative);
            });
            let invalid = CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
            assert_eq!(graph.err(), (code != OK).then_some(invalid));
            code
        }
        Way::Node | Way::CooperativeNode => {
            let graph = captured(stream, || {
                assert_eq!(plain(stream.cu_stream(), one, ONE, cooperative), OK);
            });
            let graph = graph.unwrap();
            set_node(ready(graph).unwrap(), first_node(graph), call, shape)
        }
    }
}
