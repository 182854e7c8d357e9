// A libnvidia-ml.so.1 for tests. What it answers stands in a script file, named
// by NVIDIA_FAKE_SCRIPT and read again at every call, so a test changes the machine
// while the real probe runs. Compiled against the header that go-nvml ships, in
// which a handle is a struct of one pointer; a signature that differs does not compile. With -DOLD_DRIVER it lacks what a 450 driver lacks.
//
// Script, one setting a line, "#" begins a comment; N is a GPU's index:
//   gpus 2                    how many there are
//   N.key value               util mem_used mem_total temp mem_temp power_mw clock throttle slowdown
//                             minor field.ID (a value of nvmlDeviceGetFieldValues), mig (instances)
//   N.lost 1                  every call about it says "GPU is lost"
//   fail CALL RET             the call returns RET; "N.fail CALL RET" for one GPU
//   slow CALL MS              the call takes that long
//   hang CALL                 the call never returns
//   crash CALL                the call ends the process with SIGSEGV
//   xid SEQ N XID [INSTANCE]  one event; a higher SEQ is a new one
#define NVML_NO_UNVERSIONED_FUNC_DEFS 1
#include "nvml.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_GPUS 16
#define MAX_MIG 8
#define EXPORT __attribute__((visibility("default")))

struct nvmlDevice_st {
    int index;
    int instance; // -1 for the GPU itself
};

static struct nvmlDevice_st gpus[MAX_GPUS], instances[MAX_GPUS][MAX_MIG];
static int event_set;

static void nap(long ms) {
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}

// find copies what follows "key " on the first line that begins so.
static int find(const char *key, char *rest, size_t size) {
    const char *path = getenv("NVIDIA_FAKE_SCRIPT");
    FILE *f = path ? fopen(path, "r") : NULL;
    char line[256];
    size_t n = strlen(key);
    int found = 0;
    if (!f) return 0;
    while (!found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "#\n")] = 0;
        if (strncmp(line, key, n) == 0 && (line[n] == ' ' || line[n] == 0)) {
            snprintf(rest, size, "%s", line[n] ? line + n + 1 : "");
            found = 1;
        }
    }
    fclose(f);
    return found;
}

static long long value(int index, const char *key, long long otherwise) {
    char name[64], rest[64];
    if (index < 0) snprintf(name, sizeof name, "%s", key);
    else snprintf(name, sizeof name, "%d.%s", index, key);
    return find(name, rest, sizeof rest) ? atoll(rest) : otherwise;
}

// told applies fail, slow, hang and crash to a call.
static nvmlReturn_t told(const char *call, struct nvmlDevice_st *device) {
    char key[128], rest[64];
    snprintf(key, sizeof key, "crash %s", call);
    if (find(key, rest, sizeof rest)) raise(SIGSEGV);
    snprintf(key, sizeof key, "slow %s", call);
    if (find(key, rest, sizeof rest)) nap(atol(rest));
    for (;;) {
        snprintf(key, sizeof key, "hang %s", call);
        if (!find(key, rest, sizeof rest)) break;
        nap(20);
    }
    if (device && value(device->index, "lost", 0)) return NVML_ERROR_GPU_IS_LOST;
    if (device) {
        snprintf(key, sizeof key, "%d.fail %s", device->index, call);
        if (find(key, rest, sizeof rest)) return (nvmlReturn_t)atoi(rest);
    }
    snprintf(key, sizeof key, "fail %s", call);
    if (find(key, rest, sizeof rest)) return (nvmlReturn_t)atoi(rest);
    return NVML_SUCCESS;
}

#define TOLD(device)                                     \
    do {                                                 \
        nvmlReturn_t r_ = told(__func__, device);        \
        if (r_ != NVML_SUCCESS) return r_;               \
    } while (0)

EXPORT nvmlReturn_t nvmlInit_v2(void) {
    for (int i = 0; i < MAX_GPUS; i++) {
        gpus[i] = (struct nvmlDevice_st){i, -1};
        for (int m = 0; m < MAX_MIG; m++) instances[i][m] = (struct nvmlDevice_st){i, m};
    }
    TOLD(NULL);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlShutdown(void) { return NVML_SUCCESS; }
EXPORT const char *nvmlErrorString(nvmlReturn_t r) { return r == NVML_SUCCESS ? "Success" : "Failure"; }

EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) {
    TOLD(NULL);
    snprintf(version, length, "570.86.15");
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length) {
    TOLD(NULL);
    snprintf(version, length, "12.570.86.15");
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
    TOLD(NULL);
    *count = (unsigned int)value(-1, "gpus", 1);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
    if (index >= MAX_GPUS) return NVML_ERROR_INVALID_ARGUMENT;
    TOLD(&gpus[index]);
    device->handle = &gpus[index];
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t d, char *uuid, unsigned int length) {
    TOLD(d.handle);
    if (d.handle->instance >= 0) snprintf(uuid, length, "MIG-fake-%d-%d", d.handle->index, d.handle->instance);
    else snprintf(uuid, length, "GPU-fake-%d", d.handle->index);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t d, char *name, unsigned int length) {
    TOLD(d.handle);
    snprintf(name, length, d.handle->instance >= 0 ? "NVIDIA Fake MIG 1g.10gb" : "NVIDIA Fake 80GB");
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t d, unsigned int *minor) {
    TOLD(d.handle);
    *minor = (unsigned int)value(d.handle->index, "minor", d.handle->index);
    return NVML_SUCCESS;
}

#ifndef OLD_DRIVER
EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t d, nvmlPciInfo_t *pci) {
    TOLD(d.handle);
    memset(pci, 0, sizeof *pci);
    snprintf(pci->busId, sizeof pci->busId, "00000000:%02X:00.0", 0x17 + d.handle->index);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t d, nvmlMemory_v2_t *m) {
    TOLD(d.handle);
    m->total = (unsigned long long)value(d.handle->index, "mem_total", 85899345920LL);
    m->used = (unsigned long long)value(d.handle->index, "mem_used", 1048576);
    m->reserved = 1 << 20;
    m->free = m->total - m->used - m->reserved;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t d, unsigned long long *reasons) {
    TOLD(d.handle);
    *reasons = (unsigned long long)value(d.handle->index, "throttle", 0);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t d, unsigned int *current, unsigned int *pending) {
    TOLD(d.handle);
    *current = *pending = value(d.handle->index, "mig", 0) > 0;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t d, unsigned int *count) {
    TOLD(d.handle);
    *count = 7;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t d, unsigned int index, nvmlDevice_t *mig) {
    TOLD(d.handle);
    if (index >= MAX_MIG || (long long)index >= value(d.handle->index, "mig", 0)) return NVML_ERROR_NOT_FOUND;
    mig->handle = &instances[d.handle->index][index];
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t d, unsigned int *id) {
    TOLD(d.handle);
    *id = (unsigned int)d.handle->instance + 7; // not the index, as on real ones
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout) {
    static long last_seq = 0;
    const char *every = getenv("NVIDIA_FAKE_POLL_MS"); // a driver is told by the kernel, so measure with a rare look
    long step = every ? atol(every) : 5;
    (void)set;
    for (long waited = 0;; waited += step) {
        char rest[64];
        long seq = 0, xid = 0;
        int index = 0, instance = -1;
        TOLD(NULL);
        if (find("xid", rest, sizeof rest) && sscanf(rest, "%ld %d %ld %d", &seq, &index, &xid, &instance) >= 3 && seq > last_seq) {
            last_seq = seq;
            memset(data, 0, sizeof *data);
            data->device.handle = &gpus[index % MAX_GPUS];
            data->eventType = nvmlEventTypeXidCriticalError;
            data->eventData = (unsigned long long)xid;
            data->gpuInstanceId = instance < 0 ? 0xFFFFFFFF : (unsigned int)instance;
            return NVML_SUCCESS;
        }
        if (waited >= (long)timeout) return NVML_ERROR_TIMEOUT;
        nap(step);
    }
}
#else
EXPORT nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t d, unsigned long long *reasons) {
    TOLD(d.handle);
    *reasons = (unsigned long long)value(d.handle->index, "throttle", 0);
    return NVML_SUCCESS;
}
#endif

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *m) {
    TOLD(d.handle);
    m->total = (unsigned long long)value(d.handle->index, "mem_total", 85899345920LL);
    m->used = (unsigned long long)value(d.handle->index, "mem_used", 1048576);
    m->free = m->total - m->used;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t d, nvmlTemperatureThresholds_t type, unsigned int *temp) {
    TOLD(d.handle);
    if (type != NVML_TEMPERATURE_THRESHOLD_SLOWDOWN) return NVML_ERROR_NOT_SUPPORTED;
    *temp = (unsigned int)value(d.handle->index, "slowdown", 89);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t d, nvmlUtilization_t *u) {
    TOLD(d.handle);
    u->gpu = (unsigned int)value(d.handle->index, "util", 0);
    u->memory = 0;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t d, nvmlTemperatureSensors_t sensor, unsigned int *temp) {
    (void)sensor;
    TOLD(d.handle);
    *temp = (unsigned int)value(d.handle->index, "temp", 40);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t d, unsigned int *milliwatts) {
    TOLD(d.handle);
    *milliwatts = (unsigned int)value(d.handle->index, "power_mw", 70000);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t d, nvmlClockType_t type, unsigned int *clock) {
    (void)type;
    TOLD(d.handle);
    *clock = (unsigned int)value(d.handle->index, "clock", 1980);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t d, int count, nvmlFieldValue_t *values) {
    TOLD(d.handle);
    for (int i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof key, "field.%u", values[i].fieldId);
        long long v = value(d.handle->index, key, -1);
        if (values[i].fieldId == NVML_FI_DEV_MEMORY_TEMP) v = value(d.handle->index, "mem_temp", v);
        values[i].nvmlReturn = v < 0 ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
        values[i].valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
        values[i].value.ullVal = (unsigned long long)(v < 0 ? 0 : v);
    }
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) {
    TOLD(NULL);
    set->handle = (struct nvmlEventSet_st *)&event_set;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
    (void)set;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t d, unsigned long long types, nvmlEventSet_t set) {
    (void)types, (void)set;
    TOLD(d.handle);
    return d.handle->instance >= 0 ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS; // instances have no events
}
