// Package checkpoints brings what a trainer writes below OUTPUT_DIR to the
// bucket while it trains, whichever framework writes it and however it does so.
//
// It promises that only complete files become visible, once each, under the
// names of section 5 of the contract, with their SHA-256 in a manifest that is
// written after the files it names; that a fault of the store never reaches the
// training process; and that whatever did not get up is named in the summary.
//
// It leaves moving the bytes to the store, telling the backend to the caller's
// OnEvent, and bringing a checkpoint back to its room resume.
//
// One loop owns everything (loop.go). A look at the disk (scan) makes the fleet of
// checkpoints, each a state machine (checkpoint.go); the planner says where in the
// bucket each belongs; the pool carries them there (upload); the keeper writes down
// what is there (manifest).
package checkpoints
