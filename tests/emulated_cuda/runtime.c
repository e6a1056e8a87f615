/* The CUDA runtime, without a GPU: what torch asks of libcudart, answered with the host's memory and clock.
 *
 * Preloaded, these functions take the place of libcudart's. Memory is the host's. Streams and events are always done.
 * No kernel can run: operators are computed in Python (dispatch.py) before they would launch one. Waits and graphs
 * are reported to Python through one hook (emulated_cuda_set_hook).
 *
 * Behaves as CUDA does where a program may be wrong: in a process forked after CUDA was used, and under stream capture.
 */
#define _GNU_SOURCE
#include <cuda_runtime_api.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GIB (1ull << 30)
#define MEMORY (141 * GIB)
#define SMS 132
#define SHARED_MEMORY 232448 /* bytes a block may have */
#define MAX_GPUS 16

/* ---- Errors: the last one stays until it is asked for, as with CUDA ---- */

static __thread cudaError_t last_error = cudaSuccess;

static cudaError_t fail(cudaError_t error) { return last_error = error; }

cudaError_t cudaGetLastError(void) {
  cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError(void) { return last_error; }

/* ---- A process forked from one that used CUDA may not use it ---- */

static pid_t owner = 0;

static int forked(const char *function) {
  if (!owner) owner = getpid();
  if (owner == getpid()) return 0;
  fprintf(stderr, "emulated CUDA: process %d calls %s, but was forked from process %d after that had used CUDA\n",
          (int)getpid(), function, (int)owner);
  return 1;
}

#define ENTER \
  if (forked(__func__)) return fail(cudaErrorInitializationError)

/* ---- The hook into Python. It returns 0, or 1 where it raised an exception ---- */

typedef int (*hook_t)(const char *function, unsigned long long graph);
static hook_t hook = NULL;

void emulated_cuda_set_hook(hook_t python) { hook = python; }

static int report(const char *function, unsigned long long graph) { return hook ? hook(function, graph) : 0; }

/* ---- Streams and their capture. A capture, its graph and what is instantiated of it share one number ---- */

struct CUstream_st {
  enum cudaStreamCaptureStatus status;
  unsigned long long graph;
};

static struct CUstream_st default_stream; /* the legacy stream, NULL */
static unsigned long long graphs = 0;     /* captured so far */
static int capturing = 0;                 /* streams that are being captured now */
static __thread enum cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;

static cudaStream_t of(cudaStream_t stream) { return stream ? stream : &default_stream; }

/* Whether a capture forbids to wait for this stream, or, of NULL, for the legacy stream or the whole device.
 * A stream's own capture is lost by it. */
static int forbidden(cudaStream_t stream) {
  if (!stream) return capturing && mode != cudaStreamCaptureModeRelaxed;
  if (stream->status == cudaStreamCaptureStatusNone) return 0;
  stream->status = cudaStreamCaptureStatusInvalidated;
  return 1;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority) {
  ENTER;
  *stream = calloc(1, sizeof **stream);
  return *stream ? cudaSuccess : fail(cudaErrorMemoryAllocation);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  free(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int *priority) {
  *priority = 0;
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  ENTER;
  return forbidden(stream) ? fail(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  ENTER;
  if (forbidden(stream)) return fail(cudaErrorStreamCaptureUnsupported);
  report(__func__, 0);
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) { return cudaSuccess; }

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
  ENTER;
  if (!stream) return fail(cudaErrorStreamCaptureUnsupported);
  if (stream->status != cudaStreamCaptureStatusNone) return fail(cudaErrorIllegalState);
  stream->status = cudaStreamCaptureStatusActive;
  stream->graph = ++graphs;
  capturing++;
  report(__func__, stream->graph);
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  if (!stream || stream->status == cudaStreamCaptureStatusNone) return fail(cudaErrorIllegalState);
  int lost = stream->status == cudaStreamCaptureStatusInvalidated;
  stream->status = cudaStreamCaptureStatusNone;
  capturing--;
  report(__func__, stream->graph);
  *graph = lost ? NULL : (cudaGraph_t)stream->graph;
  return lost ? fail(cudaErrorStreamCaptureInvalidated) : cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) {
  *status = of(stream)->status;
  return cudaSuccess;
}

#undef cudaStreamGetCaptureInfo
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, enum cudaStreamCaptureStatus *status, unsigned long long *id,
                                     cudaGraph_t *graph, const cudaGraphNode_t **dependencies,
                                     const cudaGraphEdgeData **edges, size_t *count) {
  *status = of(stream)->status;
  if (id) *id = of(stream)->graph;
  if (graph) *graph = (cudaGraph_t)of(stream)->graph;
  if (dependencies) *dependencies = NULL;
  if (edges) *edges = NULL;
  if (count) *count = 0;
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *other) {
  enum cudaStreamCaptureMode before = mode;
  mode = *other;
  *other = before;
  return cudaSuccess;
}

/* ---- Graphs: Python keeps what was captured, by number, and does it again ---- */

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags) {
  ENTER;
  *exec = (cudaGraphExec_t)graph;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags) {
  return cudaGraphInstantiateWithFlags(exec, graph, flags);
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) {
  *count = 1; /* torch asks only whether there are any */
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  ENTER;
  return report(__func__, (unsigned long long)exec) ? fail(cudaErrorLaunchFailure) : cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  report(__func__, (unsigned long long)exec);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return cudaSuccess; }

/* ---- Events: the time on the host's clock when they were recorded ---- */

struct CUevent_st {
  unsigned flags;
  int recorded;
  struct timespec time;
};

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  ENTER;
  *event = calloc(1, sizeof **event);
  if (!*event) return fail(cudaErrorMemoryAllocation);
  (*event)->flags = flags;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  free(event);
  return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  ENTER;
  event->recorded = 1;
  clock_gettime(CLOCK_MONOTONIC, &event->time);
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, 0);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  ENTER;
  return forbidden(NULL) ? fail(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  ENTER;
  if (forbidden(NULL)) return fail(cudaErrorStreamCaptureUnsupported);
  report(__func__, 0);
  return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
  int untimed = (start->flags | end->flags) & cudaEventDisableTiming;
  if (untimed || !start->recorded || !end->recorded) return fail(cudaErrorInvalidResourceHandle);
  *milliseconds = (end->time.tv_sec - start->time.tv_sec) * 1e3 + (end->time.tv_nsec - start->time.tv_nsec) / 1e6;
  return cudaSuccess;
}

/* ---- Devices ---- */

static __thread int current = 0;

static int gpus(void) {
  const char *wanted = getenv("EMULATED_CUDA_GPUS"), *visible = getenv("CUDA_VISIBLE_DEVICES");
  if (visible && !*visible) return 0;
  int count = wanted ? atoi(wanted) : 1;
  return count < 0 ? 0 : count > MAX_GPUS ? MAX_GPUS : count;
}

cudaError_t cudaGetDeviceCount(int *count) {
  ENTER;
  *count = gpus();
  return *count ? cudaSuccess : fail(cudaErrorNoDevice);
}

cudaError_t cudaGetDevice(int *device) {
  ENTER;
  *device = current;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  ENTER;
  if (device < 0 || device >= gpus()) return fail(cudaErrorInvalidDevice);
  current = device;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) {
  ENTER;
  if (forbidden(NULL)) return fail(cudaErrorStreamCaptureUnsupported);
  report(__func__, 0);
  return cudaSuccess;
}

#undef cudaGetDeviceProperties
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device) {
  if (device < 0 || device >= gpus()) return fail(cudaErrorInvalidDevice);
  memset(p, 0, sizeof *p);
  snprintf(p->name, sizeof p->name, "Emulated H200");
  p->uuid.bytes[0] = (char)(device + 1);
  p->major = 9;
  p->minor = 0;
  p->totalGlobalMem = MEMORY;
  p->multiProcessorCount = SMS;
  p->l2CacheSize = 60 << 20;
  p->memoryBusWidth = 6144;
  p->warpSize = 32;
  p->maxThreadsPerBlock = p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 2147483647;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->maxThreadsPerMultiProcessor = 2048;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->sharedMemPerBlock = 49152;
  p->sharedMemPerBlockOptin = SHARED_MEMORY;
  p->sharedMemPerMultiprocessor = 233472;
  p->totalConstMem = 65536;
  p->unifiedAddressing = p->concurrentKernels = 1;
  p->pciBusID = device;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
    case cudaDevAttrMultiProcessorCount: *value = SMS; break;
    case cudaDevAttrWarpSize: *value = 32; break;
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = SHARED_MEMORY; break;
    default: *value = 0;
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *id, int length, int device) {
  snprintf(id, length, "0000:%02x:00.0", device);
  return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer) {
  *can = device != peer;
  return cudaSuccess;
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags) { return cudaSuccess; }

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version,
                                             unsigned long long flags, enum cudaDriverEntryPointQueryResult *result) {
  *function = NULL;
  if (result) *result = cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}

/* ---- Memory ---- */

static void *aligned(size_t alignment, size_t size) {
  return aligned_alloc(alignment, (size / alignment + 1) * alignment);
}

#undef cudaMalloc
cudaError_t cudaMalloc(void **pointer, size_t size) {
  ENTER;
  if (forbidden(NULL)) return fail(cudaErrorStreamCaptureUnsupported);
  *pointer = size > MEMORY ? NULL : aligned(512, size);
  return *pointer ? cudaSuccess : fail(cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void *pointer) {
  free(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
  ENTER;
  *available = *total = MEMORY;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size, enum cudaMemcpyKind kind, cudaStream_t stream) {
  ENTER;
  memmove(to, from, size);
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t size, enum cudaMemcpyKind kind) {
  ENTER;
  if (forbidden(NULL)) return fail(cudaErrorStreamCaptureImplicit);
  report(__func__, 0);
  memmove(to, from, size);
  return cudaSuccess;
}

cudaError_t cudaMemcpyPeerAsync(void *to, int to_device, const void *from, int from_device, size_t size,
                                cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, size, cudaMemcpyDefault, stream);
}

cudaError_t cudaMemsetAsync(void *pointer, int value, size_t size, cudaStream_t stream) {
  ENTER;
  memset(pointer, value, size);
  return cudaSuccess;
}

cudaError_t cudaMemset(void *pointer, int value, size_t size) { return cudaMemsetAsync(pointer, value, size, NULL); }

/* ---- Pinned memory: a list of its blocks, since torch asks of a pointer whether it is pinned ---- */

struct block {
  char *begin, *end;
  int ours;
  struct block *next;
};

static struct block *pinned = NULL;
static pthread_mutex_t pinned_lock = PTHREAD_MUTEX_INITIALIZER;

static cudaError_t pin(void *begin, size_t size, int ours) {
  struct block *block = malloc(sizeof *block);
  if (!begin || !block) return fail(cudaErrorMemoryAllocation);
  pthread_mutex_lock(&pinned_lock);
  *block = (struct block){begin, (char *)begin + size, ours, pinned};
  pinned = block;
  pthread_mutex_unlock(&pinned_lock);
  return cudaSuccess;
}

static cudaError_t unpin(void *begin) {
  pthread_mutex_lock(&pinned_lock);
  struct block **link = &pinned;
  while (*link && (*link)->begin != begin) link = &(*link)->next;
  struct block *block = *link;
  if (block) *link = block->next;
  pthread_mutex_unlock(&pinned_lock);
  if (!block) return fail(cudaErrorInvalidValue);
  if (block->ours) free(begin);
  free(block);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **pointer, size_t size, unsigned flags) {
  ENTER;
  *pointer = aligned(4096, size);
  return pin(*pointer, size, 1);
}

cudaError_t cudaMallocHost(void **pointer, size_t size) { return cudaHostAlloc(pointer, size, 0); }

cudaError_t cudaFreeHost(void *pointer) { return unpin(pointer); }

cudaError_t cudaHostRegister(void *pointer, size_t size, unsigned flags) {
  ENTER;
  return pin(pointer, size, 0);
}

cudaError_t cudaHostUnregister(void *pointer) { return unpin(pointer); }

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *pointer) {
  ENTER;
  memset(attributes, 0, sizeof *attributes);
  attributes->type = cudaMemoryTypeUnregistered;
  attributes->device = -1;
  pthread_mutex_lock(&pinned_lock);
  struct block *block = pinned;
  while (block && !((char *)pointer >= block->begin && (char *)pointer < block->end)) block = block->next;
  pthread_mutex_unlock(&pinned_lock);
  if (!block) return cudaSuccess;
  attributes->type = cudaMemoryTypeHost;
  attributes->device = 0;
  attributes->hostPointer = attributes->devicePointer = (void *)pointer;
  return cudaSuccess;
}

/* ---- Kernels: none can run ---- */

static cudaError_t no_kernel(void) {
  fprintf(stderr, "emulated CUDA: a kernel was launched, which cannot run here: the dispatch mode did not see its "
                  "operator, which ran in a thread of its own, or with the modes switched off\n");
  return fail(cudaErrorNotSupported);
}

cudaError_t cudaLaunchKernel(const void *f, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t stream) {
  return no_kernel();
}

cudaError_t __cudaLaunchKernel(cudaKernel_t f, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t stream) {
  return no_kernel();
}

cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *f) {
  *kernel = (cudaKernel_t)f;
  return cudaSuccess;
}
