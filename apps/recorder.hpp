#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/trajectory.hpp"
#include "core/field_picture.hpp"
#include "core/npy.hpp"
#include "core/system.hpp"

namespace mg::apps {

/// What becomes of a simulation over times.
struct RecorderOptions {
  std::vector<std::string> outputs;  ///< .png (strip), .gif, .npz, or a folder for everything
  std::vector<int> channels;         ///< that pictures show; empty = the first four
  ColourMap map = ColourMap::viridis;
  std::optional<ValueRange> range;  ///< of all channels; else smallest to largest of what is drawn
  int zoom = 0;                     ///< pixels per cell; 0 = as fits
};

/// Takes the frames of one trajectory as they come. Numbers go to the disk at once; of pictures at most a hundred frames
/// of at most 256 x 256 cells are kept, so that memory does not grow with the length of the simulation.
class Recorder {
 public:
  /// @throws Error (usage) for an output of another kind, IoError
  Recorder(RecorderOptions options, int channels, Grid grid, const std::vector<double>& times);

  template <class T>
  void add(int index, double time, const std::vector<T>& frame);
  /// Writes the pictures; frames that were not reached are NaN in the numbers.
  /// @return the files written
  std::vector<std::string> finish();
  double low() const { return low_; }    ///< smallest value of the last frame
  double high() const { return high_; }  ///< largest

 private:
  struct File {
    std::string path, kind;  // strip | final | film | kymograph | numbers
  };
  void plan_files();
  std::vector<ValueRange> ranges() const;
  int picture_zoom(int room, int columns) const;
  void write_strip(const std::string& path) const;
  void write_final(const std::string& path) const;
  void write_film(const std::string& path) const;
  void write_kymograph(const std::string& path) const;
  void end_numbers();

  RecorderOptions options_;
  int channels_;
  Grid grid_;
  std::vector<double> times_;
  std::vector<File> files_;
  std::unique_ptr<NpzWriter> numbers_;
  std::vector<Planes> kept_;                            // reduced frames for pictures
  std::vector<double> kept_times_;                      // [kept]
  std::vector<std::vector<std::vector<float>>> lines_;  // [shown channel][row of the kymograph][w]
  std::vector<double> line_times_;
  Planes last_;
  double last_time_ = 0, low_ = 0, high_ = 0;
  int frames_ = 0;
};

/// The array "states" (B, T, C, h, w) and "times" (T) of many trajectories, written as they come.
class TrajectoryWriter {
 public:
  TrajectoryWriter(const std::string& path, int samples, int channels, Grid grid, const std::vector<double>& times,
                   bool double_precision);
  template <class T>
  void add(const std::vector<T>& frame) {
    writer_.append(frame.data(), frame.size() * sizeof(T));
    ++frames_;
  }
  /// Fills what the current trajectory lacks with NaN.
  void end_trajectory();
  void finish();

 private:
  NpzWriter writer_;
  std::vector<double> times_;
  std::size_t frame_size_;
  int frames_ = 0;
  bool double_;
};

}  // namespace mg::apps
