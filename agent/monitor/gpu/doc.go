// Package gpu runs trainer-gpu, the NVML probe, in a process of its own and
// judges the health of the GPUs from its lines.
//
// It promises that a missing, hung or crashing driver never disturbs the agent or
// the training, that a fault is reported at once and repeated at most every ten
// minutes, and that a value which is not known is absent. It leaves starting and
// reaping processes to the injected Start, and the end of the job to agent.go.
package gpu
