// Package kube runs the commands of a validation in Kubernetes, each as a Job of its own:
// a runner.Runner at the level "kubernetes". It promises what the other levels promise, and
// that a pod gets no credential of the cluster or of the hub but an address that serves for
// its own files once; that a pod's end becomes the finding that the same end has elsewhere,
// or an error where the cluster is to blame; and that a hub removes its Jobs, those of a
// killed one at the next start. It leaves the namespace, its policies and the rights in it
// to whoever sets up the cluster (docs/hub.md).
//
// The files go by HTTP from the hub's intake to the pod and back (decision 0183). The four
// calls of the API, with the few fields that they need, are client.go's (decision 0184).
package kube
