for (let number = 0; number < 30; number += 1) {
  const frame = document.createElement("iframe");
  frame.src = "inner.html#connected";
  document.body.append(frame);
}
