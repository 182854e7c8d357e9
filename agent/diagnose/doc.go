// Package diagnose turns what is known about a finished run (how the child
// ended, what it printed, what the kernel and the GPU probe counted) into one
// contract.Failure, or into none when the job succeeded.
//
// It promises an order in which accounts outrank text and causes outrank
// symptoms, evidence quoted in the result, and the plain TRAINING_FAILED rather
// than a confident guess. It leaves gathering the evidence to the other rooms and
// the exit code to the contract.
package diagnose
