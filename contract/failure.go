package contract

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// FailureType says whose turn it is after a failure.
type FailureType string

// The four types of failure.
const (
	FailureTransient FailureType = "transient"    // the same job may succeed when run again
	FailurePermanent FailureType = "permanent"    // it will fail again
	FailureUser      FailureType = "user_error"   // the job's settings, dataset or script must change
	FailureSystem    FailureType = "system_error" // the platform must be mended
)

// Code names the cause of a failure.
type Code string

// The failure codes of section 8 of the contract.
const (
	CodeConfigInvalid      Code = "CONFIG_INVALID"
	CodeDatasetNotFound    Code = "DATASET_NOT_FOUND"
	CodeDatasetInvalid     Code = "DATASET_INVALID"
	CodeDatasetTooLarge    Code = "DATASET_TOO_LARGE"
	CodeStorageError       Code = "STORAGE_ERROR"
	CodeStorageForbidden   Code = "STORAGE_FORBIDDEN"
	CodeWeightsUnavailable Code = "WEIGHTS_UNAVAILABLE"
	CodeCUDAOOM            Code = "CUDA_OOM"
	CodeHostOOM            Code = "HOST_OOM"
	CodeShmTooSmall        Code = "SHM_TOO_SMALL"
	CodeDiskFull           Code = "DISK_FULL"
	CodeGPULost            Code = "GPU_LOST"
	CodeGPUError           Code = "GPU_ERROR"
	CodeNCCLTimeout        Code = "NCCL_TIMEOUT"
	CodeNodeLost           Code = "NODE_LOST" // another machine of a multi-node job is gone
	CodeHung               Code = "HUNG"
	CodeTrainingTimeout    Code = "TRAINING_TIMEOUT"
	CodeTrainingFailed     Code = "TRAINING_FAILED"
	CodeNaNLoss            Code = "NAN_LOSS"
	CodeStopped            Code = "STOPPED"
	CodeCallbackFailed     Code = "CALLBACK_FAILED"
	CodeInferenceFailed    Code = "INFERENCE_FAILED"
	CodeExportFailed       Code = "EXPORT_FAILED"
	CodeInternal           Code = "INTERNAL"
)

// Exit codes of the agent; see the table in the README.
const (
	ExitOK           = 0   // succeeded and done was accepted
	ExitFailed       = 1   // configuration, dataset or training failure; do not retry
	ExitUndelivered  = 2   // the job ended, but done could not be delivered
	ExitInfra        = 75  // infrastructure; retry (EX_TEMPFAIL of sysexits.h)
	ExitStopped      = 143 // told to stop before the job ended; retry (128 + SIGTERM)
	ExitCannotRun    = 126 // the child's own status when its file cannot be executed
	ExitNotFound     = 127 // the child's own status when its file does not exist
	exitUnclassified = ExitFailed
)

type codeRule struct {
	kind FailureType
	exit int
}

// One row a code: the type it has unless the failure says otherwise, and the
// agent's exit code. An exit of 75 or 143 is what makes a failure retryable.
var codeRules = map[Code]codeRule{
	CodeConfigInvalid:      {FailureUser, ExitFailed},
	CodeDatasetNotFound:    {FailureUser, ExitFailed},
	CodeDatasetInvalid:     {FailureUser, ExitFailed},
	CodeDatasetTooLarge:    {FailureUser, ExitFailed},
	CodeStorageError:       {FailureTransient, ExitInfra},
	CodeStorageForbidden:   {FailureSystem, ExitFailed},
	CodeWeightsUnavailable: {FailureUser, ExitFailed},
	CodeCUDAOOM:            {FailureUser, ExitFailed},
	CodeHostOOM:            {FailureUser, ExitFailed},
	CodeShmTooSmall:        {FailureSystem, ExitFailed},
	CodeDiskFull:           {FailureTransient, ExitInfra},
	CodeGPULost:            {FailureTransient, ExitInfra},
	CodeGPUError:           {FailureTransient, ExitInfra},
	CodeNCCLTimeout:        {FailureTransient, ExitInfra},
	CodeNodeLost:           {FailureTransient, ExitInfra},
	CodeHung:               {FailurePermanent, ExitFailed},
	CodeTrainingTimeout:    {FailureUser, ExitFailed},
	CodeTrainingFailed:     {FailureUser, ExitFailed},
	CodeNaNLoss:            {FailureUser, ExitFailed},
	CodeStopped:            {FailureTransient, ExitStopped},
	CodeCallbackFailed:     {FailureSystem, ExitUndelivered},
	CodeInferenceFailed:    {FailureUser, ExitFailed},
	CodeExportFailed:       {FailureUser, ExitFailed},
	CodeInternal:           {FailureSystem, ExitFailed},
}

// Codes returns every failure code, by name.
func Codes() []Code { return slices.Sorted(maps.Keys(codeRules)) }

// ExitCode is the agent's exit code for a failure of this code.
func (c Code) ExitCode() int {
	if r, ok := codeRules[c]; ok {
		return r.exit
	}
	return exitUnclassified
}

// Type is the type that a failure of this code has by default.
func (c Code) Type() FailureType {
	if r, ok := codeRules[c]; ok {
		return r.kind
	}
	return FailureSystem
}

// Retryable reports whether the same job may succeed when it is run again.
func (c Code) Retryable() bool { e := c.ExitCode(); return e == ExitInfra || e == ExitStopped }

// Failure is why a job failed, in the words of the person who pays for it.
// It is an error, so any room may return it up to the one place that maps
// failures to exit codes.
type Failure struct {
	Type      FailureType `json:"type"`
	Code      Code        `json:"code"`
	Message   string      `json:"message"` // what happened and where, one sentence
	Hint      string      `json:"hint"`    // what to do, one sentence; may be empty
	Retryable bool        `json:"retryable"`
	Evidence  []string    `json:"evidence"` // quoted lines and counters, most telling first
	cause     error
}

// Failf makes a failure with the defaults of its code. A %w in the format keeps
// the cause for errors.Is and errors.As.
func Failf(code Code, format string, args ...any) *Failure {
	err := fmt.Errorf(format, args...)
	return &Failure{
		Type: code.Type(), Code: code, Message: err.Error(),
		Retryable: code.Retryable(), Evidence: []string{}, cause: errors.Unwrap(err),
	}
}

// WithHint sets what the reader should do and returns f.
func (f *Failure) WithHint(format string, args ...any) *Failure {
	f.Hint = fmt.Sprintf(format, args...)
	return f
}

// WithEvidence appends evidence and returns f.
func (f *Failure) WithEvidence(lines ...string) *Failure {
	f.Evidence = append(f.Evidence, lines...)
	return f
}

// ExitCode is the agent's exit code for f: its code's, unless the diagnosis knows
// better whether another try may succeed.
func (f *Failure) ExitCode() int {
	exit := f.Code.ExitCode()
	switch {
	case f.Retryable && exit == ExitFailed:
		return ExitInfra
	case !f.Retryable && exit == ExitInfra:
		return ExitFailed
	}
	return exit
}

// ExitCode is the agent's for the end of a job; nil is a success. A done that was not
// delivered shows in it, unless the job is to be run again anyway: that sends its own.
func ExitCode(f *Failure, delivered bool) int {
	exit := ExitOK
	if f != nil {
		exit = f.ExitCode()
	}
	if !delivered && (exit == ExitOK || exit == ExitFailed) {
		return ExitUndelivered
	}
	return exit
}

// Error is the code and the readable line.
func (f *Failure) Error() string { return string(f.Code) + ": " + f.Line() }

// Unwrap returns the cause, if any.
func (f *Failure) Unwrap() error { return f.cause }

// Line is error_message: message plus hint in one readable line, the message
// closed by a full stop where its author left that out.
func (f *Failure) Line() string {
	message := strings.TrimSpace(f.Message)
	if f.Hint != "" && message != "" && !strings.ContainsAny(message[len(message)-1:], ".!?:") {
		message += "."
	}
	return strings.Join(strings.Fields(message+" "+f.Hint), " ")
}

// AsFailure finds the failure in err, or makes an INTERNAL one of it, so that
// nothing reaches the backend without a code. It returns nil for nil.
func AsFailure(err error) *Failure {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return Failf(CodeInternal, "%w", err)
}
