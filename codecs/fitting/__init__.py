"""A model of your own signals in closed form, no torch needed: `training_signals` (what it is fitted to), `principal_axes`
(the projection), `closed_form`."""
