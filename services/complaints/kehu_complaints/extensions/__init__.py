"""Extensions 延期: more time for a case, asked for by one person and, where the rule says so, approved by another."""
