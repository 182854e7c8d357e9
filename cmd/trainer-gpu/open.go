//go:build cgo && linux

package main

import (
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/vision-platform/trainer-agent/contract"
)

// libraries are where the driver's library may be: by the loader's own search,
// then where container runtimes, Debian and WSL put it.
var libraries = []string{
	"libnvidia-ml.so.1",
	"/usr/local/nvidia/lib64/libnvidia-ml.so.1",
	"/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
	"/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1",
	"/usr/lib64/libnvidia-ml.so.1",
	"/usr/lib/wsl/lib/libnvidia-ml.so.1",
}

// open loads the first library that is there and initialises the driver.
func open(c *calls) (nvml.Interface, *contract.ProbeLine) {
	for _, path := range libraries {
		lib := nvml.New(nvml.WithLibraryPath(path))
		ret := c.do("nvmlInit", nil, lib.Init)
		if ret == nvml.ERROR_LIBRARY_NOT_FOUND && lib.Extensions().LookupSymbol("nvmlInit_v2") != nil {
			continue // not loaded; the driver itself may give the same code
		}
		if ret != nvml.SUCCESS {
			return nil, fatalLine("nvmlInit", ret)
		}
		c.mu.Lock()
		c.lookup = lib.Extensions().LookupSymbol
		c.mu.Unlock()
		return lib, nil
	}
	return nil, &contract.ProbeLine{
		Type: contract.ProbeFatal, Call: "dlopen", Ret: int(nvml.ERROR_LIBRARY_NOT_FOUND),
		Reason: "libnvidia-ml.so.1 was not found: no NVIDIA driver is mounted into this container",
	}
}

// Words for the return codes that end the probe. The library's own words are not
// asked for: an old one may lack the function.
var returnWords = map[nvml.Return]string{
	nvml.ERROR_DRIVER_NOT_LOADED:       "the NVIDIA driver is not loaded",
	nvml.ERROR_NO_PERMISSION:           "no permission to talk to the NVIDIA driver",
	nvml.ERROR_LIBRARY_NOT_FOUND:       "a library of the NVIDIA driver is missing",
	nvml.ERROR_LIB_RM_VERSION_MISMATCH: "the NVIDIA driver's library and kernel module differ in version",
	nvml.ERROR_GPU_IS_LOST:             "a GPU is lost",
	nvml.ERROR_RESET_REQUIRED:          "a GPU needs a reset",
	nvml.ERROR_INSUFFICIENT_POWER:      "a GPU lacks external power",
	nvml.ERROR_UNKNOWN:                 "the NVIDIA driver failed with an unknown error",
}

func fatalLine(call string, ret nvml.Return) *contract.ProbeLine {
	words, ok := returnWords[ret]
	if !ok {
		words = "the NVIDIA driver refused"
	}
	return &contract.ProbeLine{Type: contract.ProbeFatal, Call: call, Ret: int(ret), Reason: fmt.Sprintf("%s (%s: %d)", words, call, int(ret))}
}
