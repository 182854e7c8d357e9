// Package autoreport makes heartbeats of the result files that a framework
// writes by itself: Ultralytics' results.csv and Hugging Face's
// trainer_state.json, so that a training script which calls nobody still reports.
//
// It promises that an epoch is reported once: not when the child reports
// heartbeats of its own, which silences this package for the rest of the run,
// not again after a restart of the agent, and not before the child has had Grace
// to say it itself. It finds the files by looking, so it works where no file
// events do, and reads only what has grown, within fixed bounds. It leaves
// sending to whoever gives it Emit, and validations to the child: a result file
// has no per-class metrics.
package autoreport
