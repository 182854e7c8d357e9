// Package build makes what a trainer package runs in: the wheels that it requires, an
// environment of them, and an image. It promises that nothing of a wheel runs while it
// does so, that everything is pinned by SHA-256 once it was chosen, and that the same
// package, wheels, base and agent give the same image, byte for byte. It leaves what is
// done with them, and whom the package may trust, to the hub.
package build
