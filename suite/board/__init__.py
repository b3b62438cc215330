"""From records to a leaderboard; needs neither torch nor ray."""
