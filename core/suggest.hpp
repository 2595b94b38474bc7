#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace mg {

/// Insertions, deletions, replacements and swaps of neighbours that turn a into b.
/// @source optimal string alignment, a restricted Damerau-Levenshtein distance
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word` when it is near enough to be a typing mistake, else empty.
std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates);

/// `; did you mean "near"?`, or empty.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

/// "a, b, c"
std::string join(const std::vector<std::string>& words, std::string_view separator = ", ");

}  // namespace mg
