// Package trackers copies the metrics of a training to an experiment tracker, so that
// no trainer needs a line for it: MLflow, by its REST API, and TensorBoard's event file.
//
// It promises never to make the training, the backend or the end of a job wait: metrics
// are taken in a bounded queue, sent by a goroutine of their own, and what could not be
// delivered is counted in one log line. It leaves to the job's history which epoch is
// the best, and to the platform what is kept: a tracker is a copy.
package trackers
