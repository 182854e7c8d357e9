// Package pickles reads Python pickles without running them: an unpickler calls whatever
// function the bytes name, so a file of weights can be a program. It promises that a
// pickle is only called harmless when every opcode was understood and every name that it
// loads is one that weights need; what cannot be read is refused, not passed over. It
// reads a bounded number of bytes and opcodes, and leaves finding the files to others.
package pickles
