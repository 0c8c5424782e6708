//! Graphs: captured work, made ready to run again and again.

use super::error::{Code, Result};
use super::ffi::{In, Out};
use super::launch::{KernelNodeParams, kernel};
use super::run::Op;
use super::state::{Driver, Handle, with, with_context};
use super::stream::Front;
use std::collections::HashMap;
use std::sync::Arc;

/// A node: its work and the nodes, before it in the list, that it comes after.
#[derive(Clone)]
pub struct GraphNode {
    pub op: Op,
    pub after: Vec<usize>,
    pub lane: u64,
}

/// A graph. Its nodes' handles are consecutive.
pub struct Graph {
    pub context: Handle,
    pub nodes: Vec<GraphNode>,
    pub first: Handle,
}

/// A graph made ready. Runs of one come one after another.
pub struct Exec {
    pub context: Handle,
    nodes: Vec<GraphNode>,
    /// First node handle of the graph that it was made from.
    first: Handle,
    last: Front,
}

/// Distance between handles.
const STRIDE: usize = 16;

/// Instantiation flags that have a meaning here: auto free, upload, device launch, priorities.
const FLAGS: u64 = 0b1111;
const AUTO_FREE: u64 = 1;
const DEVICE_LAUNCH: u64 = 4;

/// Nodes that no other comes after.
pub fn sinks(nodes: &[GraphNode]) -> Vec<usize> {
    let mut last = vec![true; nodes.len()];
    nodes.iter().flat_map(|node| &node.after).for_each(|&index| last[index] = false);
    (0..nodes.len()).filter(|&index| last[index]).collect()
}

impl Driver {
    pub fn new_graph(&mut self, mut graph: Graph) -> Handle {
        let handle = self.handle();
        graph.first = handle + STRIDE;
        for _ in &graph.nodes {
            self.handle();
        }
        self.graphs.insert(handle, graph);
        handle
    }

    fn graph(&mut self, graph: Handle) -> Result<&mut Graph> {
        self.graphs.get_mut(&graph).ok_or(Code::INVALID_VALUE)
    }

    fn exec(&mut self, exec: Handle) -> Result<&mut Exec> {
        self.execs.get_mut(&exec).ok_or(Code::INVALID_VALUE)
    }

    /// Each branch has a lane of its own: runs on several streams do not order its nodes.
    fn instantiate(&mut self, graph: Handle) -> Result<Handle> {
        let graph = self.graph(graph)?;
        let (context, first, mut nodes) = (graph.context, graph.first, graph.nodes.clone());
        self.refuse_stale(context, &nodes)?;
        let mut lanes = HashMap::new();
        for node in &mut nodes {
            node.lane = *lanes.entry(node.lane).or_insert_with(|| self.handle() as u64);
        }
        let handle = self.handle();
        self.execs.insert(handle, Exec { context, nodes, first, last: Front::default() });
        Ok(handle)
    }

    /// Refuses nodes that use what is gone: a real device would run whatever is there now.
    fn refuse_stale(&self, context: Handle, nodes: &[GraphNode]) -> Result {
        let device = self.usable(context)?.device;
        for GraphNode { op, .. } in nodes {
            let (code, what) = match op {
                Op::Launch(kernel) if self.function(kernel.function).is_err() => {
                    let what = format!("kernel {}, whose module was unloaded", kernel.name());
                    (Code::INVALID_HANDLE, what)
                }
                Op::CopyPinned { from: host, len, .. } | Op::CopyOut { to: host, len, .. }
                    if !self.is_pinned(*host, *len) =>
                {
                    (Code::INVALID_VALUE, "page-locked memory that was freed".to_owned())
                }
                _ => {
                    let mut ranges = op.ranges(device).into_iter().flatten();
                    match ranges.find(|&(device, at, len, _)| !self.known_on(device, at, len)) {
                        Some((_, at, len, _)) => {
                            let what = format!("{len} bytes at {at:#x}, not inside an allocation");
                            (Code::INVALID_VALUE, what)
                        }
                        None => continue,
                    }
                }
            };
            self.report(&format!("a graph uses {what} [{}]", code.name()));
            return Err(code);
        }
        Ok(())
    }

    fn launch_graph(&mut self, exec: Handle, stream: Handle) -> Result {
        let found = self.exec(exec)?;
        let (context, nodes, last) = (found.context, found.nodes.clone(), found.last.clone());
        self.refuse_stale(context, &nodes)?;
        if self.of_stream(stream)?.context != context {
            return Err(Code::INVALID_VALUE);
        }
        if self.of_stream(stream)?.capture.is_some() {
            return self.capture_graph(stream, &nodes);
        }
        // A node of the stream's own: the order of the legacy stream is its business, and an empty
        // graph still has an end.
        self.enqueue(stream, Op::Nothing)?;
        let mut start = self.of_stream(stream)?.front.clone();
        start.join(&last);
        let mut fronts: Vec<Front> = Vec::with_capacity(nodes.len());
        for node in &nodes {
            let mut front = match node.after.is_empty() {
                true => start.clone(),
                false => Front::default(),
            };
            node.after.iter().for_each(|&index| front.join(&fronts[index]));
            let id = self.push(context, node.lane, &mut front, node.op.clone());
            front.ids = vec![id];
            fronts.push(front);
        }
        let mut end = start;
        if !nodes.is_empty() {
            end.ids.clear();
        }
        sinks(&nodes).into_iter().for_each(|index| end.join(&fronts[index]));
        self.exec(exec)?.last = end.clone();
        self.of_stream(stream)?.front = end;
        self.relieve()
    }

    /// Nodes of `graph` take the place of those of `exec`, if they differ in arguments only.
    fn update(&mut self, exec: Handle, graph: Handle) -> Result<bool> {
        let new = self.graph(graph)?.nodes.clone();
        let old = self.exec(exec)?;
        let same = |(a, b): (&GraphNode, &GraphNode)| a.after == b.after && a.op.same_kind(&b.op);
        if old.nodes.len() != new.len() || !old.nodes.iter().zip(&new).all(same) {
            return Ok(false);
        }
        for (node, new) in old.nodes.iter_mut().zip(new) {
            node.op = new.op;
        }
        Ok(true)
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphCreate(graph: Out<Handle>, flags: u32) -> u32 {
    with_context(|driver, context| {
        if flags != 0 {
            return Err(Code::INVALID_VALUE);
        }
        let handle = driver.new_graph(Graph { context, nodes: Vec::new(), first: 0 });
        graph.set(handle)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphInstantiateWithFlags(exec: Out<Handle>, graph: Handle, flags: u64) -> u32 {
    with_context(|driver, _| {
        let both = AUTO_FREE | DEVICE_LAUNCH;
        if flags & !FLAGS != 0 || flags & both == both {
            return Err(Code::INVALID_VALUE);
        }
        if flags & DEVICE_LAUNCH != 0 {
            return Err(Code::NOT_SUPPORTED);
        }
        let handle = driver.instantiate(graph)?;
        exec.set(handle)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphLaunch(exec: Handle, stream: Handle) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, stream)?;
        let launched = driver.launch_graph(exec, stream);
        driver.recorded(stream, launched)
    })
}

/// Nothing to prepare.
#[unsafe(no_mangle)]
extern "C" fn cuGraphUpload(exec: Handle, stream: Handle) -> u32 {
    with_context(|driver, context| {
        driver.stream(context, stream)?;
        driver.exec(exec).map(|_| ())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphDestroy(graph: Handle) -> u32 {
    with(|driver| driver.graphs.remove(&graph).map(|_| ()).ok_or(Code::INVALID_VALUE))
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphExecDestroy(exec: Handle) -> u32 {
    with(|driver| driver.execs.remove(&exec).map(|_| ()).ok_or(Code::INVALID_VALUE))
}

/// With null `nodes`, says how many there are.
#[unsafe(no_mangle)]
extern "C" fn cuGraphGetNodes(graph: Handle, nodes: Out<Handle>, count: Out<usize>) -> u32 {
    with(|driver| {
        let graph = driver.graph(graph)?;
        let handles: Vec<Handle> =
            (0..graph.nodes.len()).map(|index| graph.first + STRIDE * index).collect();
        if nodes.is_null() {
            return count.set(handles.len());
        }
        let room = count.get()?;
        nodes.fill(&handles, room)?;
        count.set(room.min(handles.len()))
    })
}

/// `CUgraphNodeType`: kernel 0, memcpy 1, memset 2, host 3, empty 5.
#[unsafe(no_mangle)]
extern "C" fn cuGraphNodeGetType(node: Handle, kind: Out<u32>) -> u32 {
    with(|driver| {
        let (graph, index) = driver.node(node)?;
        kind.set(match driver.graph(graph)?.nodes[index].op {
            Op::Launch(_) => 0,
            Op::CopyIn { .. } | Op::CopyPinned { .. } | Op::CopyOut { .. } => 1,
            Op::CopyDevice { .. } => 1,
            Op::Fill { .. } => 2,
            Op::Host { .. } => 3,
            Op::Alloc { .. } | Op::Free { .. } | Op::Record { .. } | Op::Nothing => 5,
        })
    })
}

impl Driver {
    /// The graph that a node is of, and where in it.
    fn node(&self, node: Handle) -> Result<(Handle, usize)> {
        let found = self.graphs.iter().find_map(|(&handle, graph)| {
            let distance = node.checked_sub(graph.first)?;
            let index = distance / STRIDE;
            let right = distance.is_multiple_of(STRIDE) && index < graph.nodes.len();
            right.then_some((handle, index))
        });
        found.ok_or(Code::INVALID_VALUE)
    }
}

/// `CUgraphExecUpdateResultInfo`.
#[repr(C)]
#[derive(Clone, Copy)]
struct UpdateInfo {
    result: u32,
    node: Handle,
    from: Handle,
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphExecUpdate_v2(exec: Handle, graph: Handle, info: Out<UpdateInfo>) -> u32 {
    with_context(|driver, _| {
        let done = driver.update(exec, graph)?;
        // 1: failed, for no reason of the list.
        info.offer(UpdateInfo { result: u32::from(!done), node: 0, from: 0 });
        if done { Ok(()) } else { Err(Code::GRAPH_EXEC_UPDATE_FAILURE) }
    })
}

/// Other arguments, or another shape, for one kernel of a graph made ready, by its node in the graph
/// that it was made from; runs already asked for keep theirs.
#[unsafe(no_mangle)]
extern "C" fn cuGraphExecKernelNodeSetParams_v2(
    handle: Handle,
    node: Handle,
    parameters: In<KernelNodeParams>,
) -> u32 {
    with_context(|driver, _| {
        let (graph, index) = driver.node(node)?;
        let first = driver.graph(graph)?.first;
        let exec = driver.exec(handle)?;
        let (context, same) = (exec.context, exec.first == first);
        let cooperative = match exec.nodes.get(index).map(|node| &node.op) {
            Some(Op::Launch(old)) if same => old.cooperative,
            _ => return Err(Code::INVALID_VALUE),
        };
        let new = kernel(driver, context, &parameters.get()?, cooperative)?;
        if let Some(node) = driver.exec(handle)?.nodes.get_mut(index) {
            node.op = Op::Launch(Arc::new(new));
        }
        Ok(())
    })
}
