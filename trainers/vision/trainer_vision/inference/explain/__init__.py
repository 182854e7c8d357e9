"""Why a model answers what it answers: heat maps by gradients, attention or perturbation, with numbers of how faithful they are."""
