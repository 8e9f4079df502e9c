// Work that a device does again and again.
#pragma once
#include <ATen/ATen.h>

#include <functional>
#include <memory>

namespace coppice {

/// On CUDA, work that has run a few times is recorded as a graph and replayed from then on: a step of
/// hundreds of kernels costs one launch. The work must do the same every time, on the same memory: it may
/// allocate, but nothing that it leaves behind may move, no number that changes may come from the host, and
/// the host may not wait for the device. Where recording fails, and on the CPU, it is simply done.
class Recorded {
 public:
  explicit Recorded(at::Device device);
  ~Recorded();
  Recorded(Recorded&&) noexcept;

  void run(const std::function<void()>& work);
  bool replays() const;

 private:
  struct Graph;
  at::Device device_;
  int runs_ = 0;
  std::unique_ptr<Graph> graph_;
};

/// While it lives, the calling thread's work on a CUDA device is queued on a stream of its own, on which it
/// can be recorded; what was queued before is waited for, and so is it at the end.
class RecordingStream {
 public:
  explicit RecordingStream(at::Device device);
  ~RecordingStream();
  RecordingStream(const RecordingStream&) = delete;
  RecordingStream& operator=(const RecordingStream&) = delete;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace coppice
