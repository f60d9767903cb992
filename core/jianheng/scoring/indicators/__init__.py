"""What the sums become: indicators in exact fractions, standing in groups, grades."""
