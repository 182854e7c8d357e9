//go:build cgo && linux

package main

import (
	"encoding/binary"
	"math"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/vision-platform/trainer-agent/contract"
)

// fields are the values that one call of nvmlDeviceGetFieldValues fetches
// together. A field that the driver does not know fails alone.
var (
	fastFields = []uint32{nvml.FI_DEV_MEMORY_TEMP}
	slowFields = []uint32{
		nvml.FI_DEV_ECC_DBE_VOL_TOTAL, nvml.FI_DEV_ECC_SBE_VOL_TOTAL,
		nvml.FI_DEV_REMAPPED_PENDING, nvml.FI_DEV_REMAPPED_FAILURE, nvml.FI_DEV_PCIE_REPLAY_COUNTER,
		nvml.FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL, nvml.FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL,
		nvml.FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL, nvml.FI_DEV_GET_GPU_RECOVERY_ACTION,
	}
)

func (p *probe) fields(d *device, s *contract.ProbeGPU, counters bool) {
	ids := fastFields
	if counters {
		ids = append(append([]uint32{}, fastFields...), slowFields...)
	}
	values := make([]nvml.FieldValue, len(ids))
	for i, id := range ids {
		values[i].FieldId = id
	}
	if !p.ask(d, "nvmlDeviceGetFieldValues", func() nvml.Return { return d.parent.GetFieldValues(values) }) {
		return
	}
	var flits, data *int64
	for _, v := range values {
		n, ok := fieldValue(v)
		if !ok {
			continue
		}
		whole, yes := int64(n), n != 0
		switch v.FieldId {
		case nvml.FI_DEV_MEMORY_TEMP:
			if n > 0 { // 0 is what a board without the sensor gives
				s.MemTempC = &n
			}
		case nvml.FI_DEV_ECC_DBE_VOL_TOTAL:
			s.ECCUncorrected = &whole
		case nvml.FI_DEV_ECC_SBE_VOL_TOTAL:
			s.ECCCorrected = &whole
		case nvml.FI_DEV_REMAPPED_PENDING:
			s.RemapPending = &yes
		case nvml.FI_DEV_REMAPPED_FAILURE:
			s.RemapFailed = &yes
		case nvml.FI_DEV_PCIE_REPLAY_COUNTER:
			s.PCIeReplay = &whole
		case nvml.FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL:
			flits = &whole
		case nvml.FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL:
			data = &whole
		case nvml.FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL:
			s.NVLinkRecovery = &whole
		case nvml.FI_DEV_GET_GPU_RECOVERY_ACTION:
			s.RecoveryAction = &whole
		}
	}
	for _, n := range []*int64{flits, data} {
		if n != nil {
			total := *n
			if s.NVLinkCRC != nil {
				total += *s.NVLinkCRC
			}
			s.NVLinkCRC = &total
		}
	}
}

// fieldValue reads the union of nvmlFieldValue_t by its type.
func fieldValue(v nvml.FieldValue) (float64, bool) {
	if nvml.Return(v.NvmlReturn) != nvml.SUCCESS {
		return 0, false
	}
	raw := binary.NativeEndian.Uint64(v.Value[:])
	switch nvml.ValueType(v.ValueType) {
	case nvml.VALUE_TYPE_DOUBLE:
		return math.Float64frombits(raw), true
	case nvml.VALUE_TYPE_UNSIGNED_INT:
		return float64(binary.NativeEndian.Uint32(v.Value[:])), true
	case nvml.VALUE_TYPE_UNSIGNED_LONG, nvml.VALUE_TYPE_UNSIGNED_LONG_LONG:
		return float64(raw), true
	case nvml.VALUE_TYPE_SIGNED_LONG_LONG:
		return float64(int64(raw)), true
	case nvml.VALUE_TYPE_SIGNED_INT:
		return float64(int32(binary.NativeEndian.Uint32(v.Value[:]))), true
	case nvml.VALUE_TYPE_UNSIGNED_SHORT:
		return float64(binary.NativeEndian.Uint16(v.Value[:])), true
	}
	return 0, false
}
