// Package checkpoints brings what a trainer writes below OUTPUT_DIR to the
// bucket while it trains, whichever framework writes it and however it does so,
// and brings the newest checkpoint back when a preempted job starts again.
//
// It promises that only complete files become visible, once each, under the
// names of section 5 of the contract, with their SHA-256 in a manifest that is
// written after the files it names; that a fault of the store never reaches the
// training process; and that whatever did not get up is named in the summary.
//
// It leaves moving the bytes to the store, telling the backend to the caller's
// OnEvent, and putting a resumed checkpoint to use to the trainer.
package checkpoints
