// Package exported reads models that a trainer exported, and their packages: what a
// file is, its inputs and outputs, its classes, where it is from.
// It promises that no file, however broken or hostile, costs more than a few
// megabytes of memory. It leaves running a model to the package's own wrapper.
package exported
