/* What torch refers to of the CUDA runtime and is not emulated: it says its name and fails.
 *
 * Without these, libcudart itself would be asked, and complain of a driver. A list of what torch refers to:
 * nm --dynamic --undefined-only libtorch_cuda.so libtorch_python.so libc10_cuda.so | grep ' cuda[A-Z]'
 */
#include <stdio.h>

#define NOT_SUPPORTED 801 /* cudaErrorNotSupported */

#define NOT_EMULATED(name)                                           \
  int name(void) {                                                   \
    fprintf(stderr, "emulated CUDA: " #name " is not emulated\n");   \
    return NOT_SUPPORTED;                                            \
  }

NOT_EMULATED(cudaDeviceGetDefaultMemPool)
NOT_EMULATED(cudaDeviceGetGraphMemAttribute)
NOT_EMULATED(cudaDeviceSetGraphMemAttribute)
NOT_EMULATED(cudaFreeAsync)
NOT_EMULATED(cudaFuncGetAttributes)
NOT_EMULATED(cudaFuncSetAttribute)
NOT_EMULATED(cudaGetSymbolAddress)
NOT_EMULATED(cudaGraphAddNode)
NOT_EMULATED(cudaGraphConditionalHandleCreate)
NOT_EMULATED(cudaGraphDebugDotPrint)
NOT_EMULATED(cudaGraphNodeGetDependencies)
NOT_EMULATED(cudaGraphRetainUserObject)
NOT_EMULATED(cudaIpcCloseMemHandle)
NOT_EMULATED(cudaIpcGetEventHandle)
NOT_EMULATED(cudaIpcGetMemHandle)
NOT_EMULATED(cudaIpcOpenEventHandle)
NOT_EMULATED(cudaIpcOpenMemHandle)
NOT_EMULATED(cudaLaunchCooperativeKernel)
NOT_EMULATED(cudaLaunchHostFunc)
NOT_EMULATED(cudaLaunchKernelExC)
NOT_EMULATED(cudaMallocAsync)
NOT_EMULATED(cudaMallocManaged)
NOT_EMULATED(cudaMemcpy2DAsync)
NOT_EMULATED(cudaMemcpyToSymbol)
NOT_EMULATED(cudaMemPoolGetAttribute)
NOT_EMULATED(cudaMemPoolSetAccess)
NOT_EMULATED(cudaMemPoolSetAttribute)
NOT_EMULATED(cudaMemPoolTrimTo)
NOT_EMULATED(cudaOccupancyMaxActiveBlocksPerMultiprocessor)
NOT_EMULATED(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags)
NOT_EMULATED(cudaProfilerStart)
NOT_EMULATED(cudaProfilerStop)
NOT_EMULATED(cudaStreamAddCallback)
NOT_EMULATED(cudaStreamBeginCaptureToGraph)
NOT_EMULATED(cudaStreamCreate)
NOT_EMULATED(cudaStreamUpdateCaptureDependencies)
NOT_EMULATED(cudaUserObjectCreate)
NOT_EMULATED(cudaUserObjectRelease)
