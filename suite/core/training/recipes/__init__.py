"""The recipes for training networks: `kinds` has their classes, `frozen` those with a name.

`relabelled` has both for the recipes of decoupled methods, whose teachers label every augmented batch.
"""

from suite.core.training.recipes.frozen import RECIPES as RECIPES
from suite.core.training.recipes.frozen import recipe as recipe
from suite.core.training.recipes.frozen import recipe_of_labels as recipe_of_labels
from suite.core.training.recipes.frozen import recipe_on_real as recipe_on_real
from suite.core.training.recipes.kinds import FlatRecipe as FlatRecipe
from suite.core.training.recipes.kinds import Recipe as Recipe
from suite.core.training.recipes.kinds import StepDecayRecipe as StepDecayRecipe
