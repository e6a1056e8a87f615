/* libcuda.so.1, the CUDA driver, without a GPU: torch links its functions, but needs only two of them to begin.
 *
 * The others say their name and fail. They are what torch's libcaffe2_nvrtc.so refers to in any of its versions:
 * nm --dynamic --undefined-only libcaffe2_nvrtc.so | grep ' cu[A-Z]'
 */
#include <stdio.h>

#define SUCCESS 0
#define NOT_SUPPORTED 801 /* CUDA_ERROR_NOT_SUPPORTED */

#define NOT_EMULATED(name)                                                     \
  int name(void) {                                                             \
    fprintf(stderr, "emulated CUDA: the driver's " #name " is not emulated\n"); \
    return NOT_SUPPORTED;                                                      \
  }

NOT_EMULATED(cuCtxGetCurrent)
NOT_EMULATED(cuCtxSetCurrent)
NOT_EMULATED(cuDeviceGet)
NOT_EMULATED(cuDeviceGetAttribute)
NOT_EMULATED(cuDevicePrimaryCtxRetain)
NOT_EMULATED(cuFuncGetAttribute)
NOT_EMULATED(cuFuncSetAttribute)
NOT_EMULATED(cuFuncSetCacheConfig)
NOT_EMULATED(cuGetErrorName)
NOT_EMULATED(cuLaunchCooperativeKernel)
NOT_EMULATED(cuLaunchKernel)
NOT_EMULATED(cuLinkAddData)
NOT_EMULATED(cuLinkAddData_v2)
NOT_EMULATED(cuLinkComplete)
NOT_EMULATED(cuLinkCreate)
NOT_EMULATED(cuLinkCreate_v2)
NOT_EMULATED(cuModuleGetFunction)
NOT_EMULATED(cuModuleLoad)
NOT_EMULATED(cuModuleLoadData)
NOT_EMULATED(cuModuleLoadDataEx)
NOT_EMULATED(cuModuleUnload)
NOT_EMULATED(cuOccupancyMaxActiveBlocksPerMultiprocessor)
NOT_EMULATED(cuPointerGetAttribute)
NOT_EMULATED(cuTensorMapEncodeTiled)

/* Whether a device is in use: torch asks before it looks for pinned memory, and in backward passes. */
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
  *flags = 0;
  *active = 1;
  return SUCCESS;
}

int cuGetErrorString(int error, const char **words) {
  *words = "not emulated";
  return SUCCESS;
}
