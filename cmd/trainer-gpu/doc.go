// Command trainer-gpu asks the NVIDIA driver how its GPUs are and prints what it
// says as JSON lines (contract.ProbeLine): hello once, sample every period, event
// for every XID, busy while a driver call hangs, error, and fatal before it exits
// with 3.
//
// It is a process of its own because the driver's library needs cgo and may hang,
// crash or end its process; it promises read-only calls, one initialisation, and
// to leave when its input ends. It leaves every judgement to agent/monitor/gpu.
package main
